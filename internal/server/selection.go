package server

import (
	"errors"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// changeSelection does one thing to the reader's selection in a project and
// leads back to the list as it was. The ticks of the page are kept first.
func (s *Server) changeSelection(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	q, bad := listQuery(form)
	op, shown := selectionOp(&bad, form["op"])
	f, err := wtp.ParseServerFilter(q)
	if err != nil { // the list says of itself what it doesn't know
		return s.answerServers(r, q, bad)
	}
	if len(bad) == 0 {
		bad = checkScope(op == "all", op == "matching", !f.Empty())
	}
	if len(bad) > 0 {
		return s.answerServers(r, q, bad)
	}
	if err := s.keepTicks(r, form); err != nil {
		return err
	}
	if op == "count" {
		return s.answerMatching(r, q, http.StatusOK, "")
	}
	switch op {
	case "none":
		err = s.Store.ClearSelection(r.ctx(), r.user.ID, r.project.ID)
	case "page":
		if err = s.Store.ClearSelection(r.ctx(), r.user.ID, r.project.ID); err == nil {
			_, err = s.Store.Select(r.ctx(), r.user.ID, r.project.ID, form["shown"], nil)
		}
	case "matching", "all":
		_, err = s.Store.SelectMatching(r.ctx(), r.user.ID, r.project.ID, f, shown)
	}
	var refused *wtp.Refused
	if errors.As(err, &refused) && errors.Is(err, wtp.ErrConflict) {
		return s.answerMatching(r, q, http.StatusConflict, r.say(refused.Text))
	}
	if err != nil {
		return err
	}
	return r.see(backToList(r, q))
}

// selectionOp reads what to do with the selection. What takes in all, or all that match,
// ends in the number that its button said: "all-26". Without it, nobody was shown how
// many they are.
func selectionOp(bad *wtp.Invalid, words []string) (op string, shown int64) {
	if len(words) != 1 {
		bad.Add("op", "Say what to do with the selection.")
		return "", 0
	}
	op, number, _ := strings.Cut(words[0], "-")
	switch op {
	case "all", "matching":
		shown = shownNumber(bad, "op", number)
	case "save", "none", "page", "count":
		if op == words[0] {
			break
		}
		fallthrough
	default:
		bad.Add("op", "Say what to do with the selection.")
	}
	return op, shown
}

// shownNumber reads how many servers a button said that it acts on.
func shownNumber(bad *wtp.Invalid, field, text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		bad.Add(field, "The form does not say how many servers were shown. Nothing was done; load the page again.")
		return 0
	}
	return n
}

// answerMatching shows the list, with how many match to the last server, before any is
// selected: more match than are counted for every page, or others than the button said.
func (s *Server) answerMatching(r *request, q url.Values, status int, refused string) error {
	v, err := s.serversView(r, q)
	if err != nil {
		return err
	}
	if v.More {
		if v.Matching, v.More, err = s.Store.CountServers(r.ctx(), []int64{r.project.ID}, v.Filter, math.MaxInt32); err != nil {
			return err
		}
	}
	if refused == "" {
		refused = r.printer().N(v.Matching, "One server matches. Nothing was selected yet.", "%d servers match. Nothing was selected yet.")
	}
	v.Refused, v.Page.Path = refused, v.PageURL()
	return r.show(status, views.ServersPage(v))
}

// swapSelection keeps the ticks of the page and answers with what they change
// in it: the bar and the note.
func (s *Server) swapSelection(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	q, bad := listQuery(form)
	if len(bad) > 0 {
		return bad
	}
	if err := s.keepTicks(r, form); err != nil {
		return err
	}
	v, err := s.serversView(r, q)
	if err != nil {
		return err
	}
	return r.show(http.StatusOK, views.SelectionParts(v))
}

// keepTicks merges the ticks of one page of the list into the selection: what
// was shown and isn't ticked is taken out. Only servers that were shown count.
func (s *Server) keepTicks(r *request, form url.Values) error {
	shown := form["shown"]
	if len(shown) == 0 {
		return nil
	}
	var add, remove []string
	for _, id := range shown {
		if slices.Contains(form["host"], id) {
			add = append(add, id)
		} else {
			remove = append(remove, id)
		}
	}
	_, err := s.Store.Select(r.ctx(), r.user.ID, r.project.ID, add, remove)
	return err
}

// listQuery is the query string of the list that a form was sent from.
func listQuery(form url.Values) (url.Values, wtp.Invalid) {
	return sentFrom(form, serverListNames()...)
}

// checkScope refuses a form that acts on all, or on all that match a filter, when what
// came of the filter is something else: one that was lost on the way must not stand for
// all, so that all is said in so many words.
func checkScope(all, matching, filtered bool) (bad wtp.Invalid) {
	switch {
	case all && filtered:
		bad.Add("query", "All were asked for, and a filter as well. Nothing was done; choose again.")
	case matching && !filtered:
		bad.Add("query", "The filter is missing. Nothing was done; choose again.")
	}
	return bad
}

func backToList(r *request, q url.Values) string {
	path := "/p/" + url.PathEscape(r.project.Slug) + "/servers"
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}
