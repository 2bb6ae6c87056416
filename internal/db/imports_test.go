package db_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

func (r *rig) paste(text string) wtp.Import {
	r.Helper()
	entries, n := wtp.ParseImport([]byte(text))
	if n > len(entries) {
		r.Fatal("too many")
	}
	return must(r.s.StoreImport(r.ctx, r.mei.UserID, r.p.ID, entries))(r)
}

// lines is a list as "line:result:host[:of]".
func (r *rig) lines(i wtp.Import, results ...wtp.ImportResult) string {
	r.Helper()
	var out []string
	for _, l := range must(r.s.ImportLines(r.ctx, db.LineQuery{ImportID: i.ID, Results: results}))(r) {
		text := fmt.Sprintf("%d:%s:%s", l.Line, l.Result, l.HostID)
		if l.DuplicateOf != 0 {
			text += fmt.Sprintf(":%d", l.DuplicateOf)
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func TestPastedListsAreLookedUp(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		servers := fleet(8, func(i int, s *wtp.Server) {
			s.PublicIP = fmt.Sprintf("203.0.113.%d", i)
			switch i {
			case 2:
				s.OS = "windows"
			case 3:
				s.AgentStatus = "offline"
			case 4:
				s.ProtectStatus = "closed"
			case 5, 6:
				s.Name = "Twin"
			case 7:
				s.Name, s.PublicIP = "h-00001", "10.0.0.0" // the ID of another, the address of another
			}
		})
		r.read(r.p, servers)
		other := r.project("Other")
		r.read(other, []wtp.Server{{HostID: "elsewhere", Name: "elsewhere", OS: "linux"}})

		i := r.paste("h-00001\r\nweb-00002\nWEB-00002;203.0.113.1\nH-00002\nWeb-00003,web-00004,h-00005\ntwin\nTwin\ntwin\n10.0.0.0\nelsewhere\nelsewhere\n\nno\x00pe\nh-00001")
		r.equal(r.lines(i), "1:found:h-00001 2:found:h-00002 3:duplicate:h-00002:2 3:duplicate:h-00002:2 4:unknown: 5:cannot:h-00003 5:cannot:h-00004 5:cannot:h-00005 "+
			"6:ambiguous: 7:ambiguous: 8:duplicate::6 9:ambiguous: 10:unknown: 11:duplicate::10 13:unreadable: 14:duplicate:h-00001:1")
		r.equal(fmt.Sprint(i.Entries, i.Found, i.Ambiguous, i.Unknown, i.Duplicate, i.Cannot, i.Unreadable), "16 2 3 2 5 3 1")
		why := ""
		for _, l := range must(r.s.ImportLines(r.ctx, db.LineQuery{ImportID: i.ID, Results: []wtp.ImportResult{wtp.ImportCannot}}))(r) {
			why += string(l.Why) + " "
		}
		r.equal(why, "windows agent_offline wtp_off ")
		r.equal(must(r.s.Import(r.ctx, r.p.ID, i.UID))(r), i)
		r.equal(must(r.s.SelectionCount(r.ctx, r.mei.UserID, r.p.ID))(r), 0)
		_, err := r.s.Import(r.ctx, other.ID, i.UID)
		r.is(err, wtp.ErrNotFound)

		// Only what was seen is selected, and it is added to what was selected before.
		must(r.s.Select(r.ctx, r.mei.UserID, r.p.ID, []string{"h-00002", "h-00008"}, nil))(r)
		_, err = r.s.SelectImport(r.ctx, r.mei.UserID, r.p.ID, i.UID, 3)
		r.is(err, wtp.ErrConflict)
		r.equal(must(r.s.SelectImport(r.ctx, r.mei.UserID, r.p.ID, i.UID, 2))(r), 3)
		r.equal(must(r.s.SelectImport(r.ctx, r.mei.UserID, r.p.ID, i.UID, 2))(r), 3)
	})
}

func TestHostIDsMayBePastedInCapitals(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		id := func(n int) string { return fmt.Sprintf("0b7d6a5e-4c3f-4e21-9a8b-%012x", n) }
		r.read(r.p, fleet(5, func(i int, s *wtp.Server) {
			switch i {
			case 0, 1, 2:
				s.HostID = id(0xa0 + i)
			case 3:
				s.HostID = strings.ToUpper(id(0xa0)) // against HSS's word: it is still found byte by byte
			case 4:
				s.HostID, s.Name = "h-00005", id(0xa2) // an ID goes before a name, in capitals as well
			}
		}))
		upper := func(n int) string { return strings.ToUpper(id(n)) }
		i := r.paste(strings.Join([]string{upper(0xa1), id(0xa1), upper(0xa0), id(0xa0), upper(0xa2), upper(0xff), "H-00005"}, "\n"))
		r.equal(r.lines(i), "1:found:"+id(0xa1)+" 2:duplicate:"+id(0xa1)+":1 3:found:"+upper(0xa0)+" 4:found:"+id(0xa0)+" 5:found:"+id(0xa2)+" 6:unknown: 7:unknown:")
	})
}

func TestAmbiguousEntriesAreSettledByTheirMaker(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(30, func(i int, s *wtp.Server) {
			if i < 25 {
				s.Name = "localhost"
			}
			if i == 1 {
				s.OS = "windows"
			}
		}))
		i := r.paste("localhost\nLocalhost\nLOCALHOST\nlocalHost\nh-00004\nWeb-00026")
		lines := must(r.s.ImportLines(r.ctx, db.LineQuery{ImportID: i.ID}))(r)
		r.equal(lines[0].Candidates, 25)
		candidates := must(r.s.Candidates(r.ctx, r.p.ID, lines))(r)
		r.equal(len(candidates), 4)
		r.equal(len(candidates[1]), db.MaxCandidates)
		r.equal(candidates[1][0].HostID, "h-00001")

		other := must(r.s.CreateUser(r.ctx, r.mei, wtp.User{Name: "Ann", NameKey: "ann", Role: wtp.Operator}))(r)
		r.is(r.s.ResolveImport(r.ctx, other.ID, r.p.ID, i.UID, map[int64]string{1: "h-00001"}), wtp.ErrForbidden)
		r.is(r.s.ResolveImport(r.ctx, r.mei.UserID, r.p.ID, i.UID, map[int64]string{1: "h-00001", 2: "h-00030"}), wtp.ErrConflict)
		r.is(r.s.ResolveImport(r.ctx, r.mei.UserID, r.p.ID, i.UID, map[int64]string{6: "h-00026"}), wtp.ErrConflict)
		r.equal(r.lines(i, wtp.ImportAmbiguous), "1:ambiguous: 2:ambiguous: 3:ambiguous: 4:ambiguous:")

		r.ok(r.s.ResolveImport(r.ctx, r.mei.UserID, r.p.ID, i.UID, map[int64]string{1: "h-00001", 2: "h-00002", 3: "h-00004"}))
		r.equal(r.lines(i), "1:found:h-00001 2:cannot:h-00002 3:duplicate:h-00004:5 4:ambiguous: 5:found:h-00004 6:found:h-00026")
		r.ok(r.s.ResolveImport(r.ctx, r.mei.UserID, r.p.ID, i.UID, map[int64]string{4: "h-00001"}))
		i = must(r.s.Import(r.ctx, r.p.ID, i.UID))(r)
		r.equal(fmt.Sprint(i.Entries, i.Found, i.Ambiguous, i.Unknown, i.Duplicate, i.Cannot), "6 3 0 0 2 1")
		r.equal(must(r.s.SelectImport(r.ctx, other.ID, r.p.ID, i.UID, 3))(r), 3)
	})
}

func TestPastedListsAreForgottenAfterADay(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(3, nil))
		first := r.paste("h-00001")
		for range 20 {
			r.paste("h-00002 , nothing")
		}
		r.ok(r.s.Tidy(r.ctx))
		_, err := r.s.Import(r.ctx, r.p.ID, first.UID)
		r.is(err, wtp.ErrNotFound)
		second := r.paste("h-00001")
		for range 60 {
			r.paste("h-00002")
		}
		_, err = r.s.Import(r.ctx, r.p.ID, second.UID)
		r.is(err, wtp.ErrNotFound)
		last := r.paste("h-00003")
		r.clock.Advance(23 * time.Hour)
		r.ok(r.s.Tidy(r.ctx))
		must(r.s.Import(r.ctx, r.p.ID, last.UID))(r)
		r.clock.Advance(2 * time.Hour)
		_, err = r.s.Import(r.ctx, r.p.ID, last.UID)
		r.is(err, wtp.ErrNotFound)
		r.ok(r.s.Tidy(r.ctx))
		r.equal(len(must(r.s.ImportLines(r.ctx, db.LineQuery{ImportID: last.ID}))(r)), 0)
		_, err = r.s.StoreImport(r.ctx, r.mei.UserID, r.p.ID, nil)
		if err == nil {
			r.Fatal("an empty list was kept")
		}
	})
}

func TestListsArePagedByKey(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(7, nil))
		i := r.paste("x1\n" + strings.Join(ids(1, 7), "\n") + "\nx2")
		q := db.LineQuery{ImportID: i.ID, Results: []wtp.ImportResult{wtp.ImportFound}, Limit: 5}
		first := must(r.s.ImportLines(r.ctx, q))(r)
		q.After = first[4].Seq
		r.equal(len(must(r.s.ImportLines(r.ctx, q))(r)), 2)
		r.equal(r.lines(i, wtp.ImportUnknown, wtp.ImportUnreadable), "1:unknown: 9:unknown:")
	})
}

// BenchmarkImport looks 100,000 entries up in 100,000 servers: IDs, IDs in
// capitals, a third each of IDs, names and addresses, or nothing that there is. The bar is 2 s.
func BenchmarkImport(b *testing.B) {
	eachKind(b, func(b *testing.B, kind string) {
		s, p, clock := benchRig(b, kind)
		u, err := s.CreateUser(b.Context(), wtp.Actor{}, wtp.User{Name: "x", NameKey: "x", Role: wtp.Operator})
		if err != nil {
			b.Fatal(err)
		}
		servers := largeFleet(func(i int, v *wtp.Server) { v.PrivateIP = fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255) })
		save(b, s, p, clock, servers)
		for _, c := range []struct {
			name string
			text func(i int) string
		}{
			{"ids", func(i int) string { return servers[i].HostID }},
			{"mixed", func(i int) string {
				return []string{servers[i].HostID, servers[i].Name, servers[i].PrivateIP}[i%3]
			}},
			{"capitals", func(i int) string { return strings.ToUpper(servers[i].HostID) }},
			{"unknown", func(i int) string { return fmt.Sprintf("nobody-%d", i) }},
		} {
			b.Run(c.name, func(b *testing.B) {
				var text strings.Builder
				for i := range large {
					text.WriteString(c.text(i) + "\n")
				}
				for b.Loop() {
					entries, n := wtp.ParseImport([]byte(text.String()))
					if n != large {
						b.Fatal(n)
					}
					i, err := s.StoreImport(b.Context(), u.ID, p.ID, entries)
					if err != nil || i.Entries != large || c.name != "unknown" && i.Unknown != 0 {
						b.Fatal(i, err)
					}
				}
				b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/2, "x_of_limit")
			})
		}
	})
}
