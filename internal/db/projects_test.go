package db_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/wtp"
)

func TestCredentials(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		var bad wtp.Invalid
		_, err := r.s.CreateCredential(r.ctx, r.mei, wtp.Credential{UID: "c2", Name: "main", Kind: wtp.AccessKey})
		if !errors.As(err, &bad) || bad[0].Field != "name" {
			r.Error(err)
		}
		if _, err := r.s.CreateCredential(r.ctx, r.mei, wtp.Credential{UID: "c3", Name: "open", Kind: wtp.AccessKey, SealedSecret: "in the clear"}); err == nil {
			r.Error("a secret in the clear was stored")
		}
		r.equal([]any{r.key.CreatedBy, r.key.SecretSetBy, r.key.SecretSetAt}, []any{"Mei", "Mei", r.key.CreatedAt})
		r.ok(r.s.LockCredential(r.ctx, r.key.ID, r.s.Now().Add(5*time.Minute)))
		r.ok(r.s.LockCredential(r.ctx, r.key.ID, r.s.Now().Add(time.Minute))) // not shortened
		r.ok(r.s.NoteCredentialTest(r.ctx, r.key.ID, `[{"name":"x"}]`))
		r.ok(r.s.NoteCredentialUsed(r.ctx, r.key.ID))
		r.clock.Advance(30 * time.Second)
		r.ok(r.s.NoteCredentialUsed(r.ctx, r.key.ID))
		k := must(r.s.Credential(r.ctx, r.key.ID))(r)
		r.equal([]any{k.LockedUntil, k.Test, k.LastUsedAt}, []any{k.CreatedAt.Add(5 * time.Minute), `[{"name":"x"}]`, k.CreatedAt})

		edit := k
		edit.Name, edit.SealedSecret = "renamed", ""
		got := must(r.s.ChangeCredential(r.ctx, r.mei, edit))(r)
		r.equal([]any{got.Name, got.SealedSecret, got.SecretSetAt, got.LockedUntil, got.Test}, []any{"renamed", k.SealedSecret, k.SecretSetAt, 0, ""})
		edit.SealedSecret = "v1.k.new"
		got = must(r.s.ChangeCredential(r.ctx, r.mei, edit))(r)
		r.equal([]any{got.SealedSecret, got.SecretSetAt}, []any{"v1.k.new", r.s.Now()})
		r.equal(must(r.s.Credential(r.ctx, k.ID))(r), got)

		err = r.s.RemoveCredential(r.ctx, r.mei, k.ID)
		r.is(err, wtp.ErrConflict)
		if !strings.Contains(err.Error(), "Shop") {
			r.Error(err)
		}
		r.ok(r.s.RemoveProject(r.ctx, r.mei, r.p.ID))
		r.ok(r.s.RemoveCredential(r.ctx, r.mei, k.ID))
		r.is(r.s.RemoveCredential(r.ctx, r.mei, k.ID), wtp.ErrNotFound)
		gone := must(r.s.Credential(r.ctx, k.ID))(r)
		r.equal([]any{gone.Name, gone.SealedSecret, gone.RemovedAt}, []any{"renamed", "", r.s.Now()})
		r.equal(len(must(r.s.Credentials(r.ctx))(r)), 0)
		for _, e := range append(r.events("credential.replaced"), r.events("credential.removed")...) {
			if strings.Contains(e.Detail, "v1.") {
				r.Errorf("the history has a secret: %s", e.Detail)
			}
		}
		// The name is free again.
		must(r.s.CreateCredential(r.ctx, r.mei, wtp.Credential{UID: "c4", Name: "renamed", Kind: wtp.IAMPassword, SealedSecret: "v1.k.x"}))(r)
	})
}

func TestAWipedSecretLeavesNoTrace(t *testing.T) {
	c := dbtest.Config(t, "sqlite")
	s, err := db.Open(t.Context(), c)
	r := &rig{T: t, s: s, ctx: t.Context()}
	r.ok(err)
	for i := range 50 { // so that the row isn't the last on its page
		must(s.CreateCredential(r.ctx, wtp.Actor{}, wtp.Credential{UID: fmt.Sprint(i), Name: fmt.Sprint(i), Kind: wtp.AccessKey, SealedSecret: fmt.Sprintf("v1.k.canary-%d-%s", i, strings.Repeat("x", 60))}))(r)
	}
	r.ok(s.RemoveCredential(r.ctx, wtp.Actor{}, 7))
	k := must(s.Credential(r.ctx, 8))(r)
	k.SealedSecret = "v1.k.fresh"
	must(s.ChangeCredential(r.ctx, wtp.Actor{}, k))(r)
	for _, end := range []string{"", "-wal"} {
		b, err := os.ReadFile(c.Path + end)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("canary-6-")) || bytes.Contains(b, []byte("canary-7-")) {
			t.Errorf("a wiped secret is still in the file%s", end)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestReplaceSeals(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		must(r.s.CreateCredential(r.ctx, r.mei, wtp.Credential{UID: "c2", Name: "other", Kind: wtp.AccessKey, SealedSecret: "v1.new.x"}))(r)
		broken := errors.New("unknown key")
		_, err := r.s.ReplaceSeals(r.ctx, func(wtp.Credential) (string, error) { return "", broken })
		r.is(err, broken)
		reseal := func(c wtp.Credential) (string, error) {
			return strings.Replace(c.SealedSecret, "v1.k.", "v1.new.", 1), nil
		}
		r.equal(must(r.s.ReplaceSeals(r.ctx, reseal))(r), 1)
		r.equal(must(r.s.ReplaceSeals(r.ctx, reseal))(r), 0)
		r.equal(must(r.s.Credential(r.ctx, r.key.ID))(r).SealedSecret, "v1.new.abc")
		if _, err := r.s.ReplaceSeals(r.ctx, func(wtp.Credential) (string, error) { return "clear", nil }); err == nil {
			r.Error("a secret in the clear was stored")
		}
	})
}

func TestProjects(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.equal([]any{r.p.Slug, r.p.ReadWantedAt}, []any{"shop", r.s.Now()})
		var bad wtp.Invalid
		for field, p := range map[string]wtp.Project{
			"hss_project_id": {Name: "Twice", Region: "cn-north-4", HSSProjectID: "hss-Shop", CredentialID: r.key.ID},
			"slug":           {Name: "Slug", Slug: "shop", Region: "cn-north-4", HSSProjectID: "other", CredentialID: r.key.ID},
			"credential":     {Name: "None", Region: "cn-north-4", HSSProjectID: "third", CredentialID: 99},
		} {
			_, err := r.s.CreateProject(r.ctx, r.mei, p)
			if !errors.As(err, &bad) || bad[0].Field != field {
				r.Errorf("%s: %v", field, err)
			}
		}
		again := must(r.s.CreateProject(r.ctx, r.mei, wtp.Project{Name: "SHOP", Region: "ap-1", HSSProjectID: "hss-Shop", CredentialID: r.key.ID}))(r)
		r.equal(again.Slug, "shop-2")
		r.equal(must(r.s.Project(r.ctx, "shop-2"))(r), again)
		r.equal(len(must(r.s.Projects(r.ctx))(r)), 2)

		// A new name keeps the inventory, another HSS project doesn't.
		r.read(r.p, fleet(3, nil))
		p := must(r.s.ProjectByID(r.ctx, r.p.ID))(r)
		p.Name = "Store"
		p = must(r.s.ChangeProject(r.ctx, r.mei, p))(r)
		r.equal([]any{p.Slug, p.ServerCount}, []any{"shop", 3})
		c := r.confirm(r.plan(wtp.Enable, "h-00001"))
		p.HSSProjectID = "moved"
		_, err := r.s.ChangeProject(r.ctx, r.mei, p)
		r.is(err, wtp.ErrConflict)
		r.is(r.s.RemoveProject(r.ctx, r.mei, p.ID), wtp.ErrConflict)
		r.ok(r.s.StopChange(r.ctx, r.mei, p.ID, c.Number))
		p = must(r.s.ChangeProject(r.ctx, r.mei, p))(r)
		r.equal([]any{p.ServerCount, p.ReadAt, p.LastNumber}, []any{0, 0, 1})
		_, err = r.s.Server(r.ctx, p.ID, "h-00001")
		r.is(err, wtp.ErrNotFound)

		r.ok(r.s.RemoveProject(r.ctx, r.mei, p.ID))
		_, err = r.s.Project(r.ctx, "shop")
		r.is(err, wtp.ErrNotFound)
		r.equal(must(r.s.ProjectByID(r.ctx, p.ID))(r).RemovedAt, r.s.Now())
		r.equal(must(r.s.Change(r.ctx, p.ID, 1))(r).State, wtp.Stopped) // the history stays
		r.is(r.s.WantRead(r.ctx, p.ID), wtp.ErrNotFound)
		// Address and HSS project are free again.
		must(r.s.CreateProject(r.ctx, r.mei, wtp.Project{Name: "shop", Region: "cn-north-4", HSSProjectID: "moved", CredentialID: r.key.ID}))(r)
	})
}

func TestSlugs(t *testing.T) {
	for name, want := range map[string]string{
		"Shop": "shop", "  Web / Production! ": "web-production", "生产": "cn-north-4", "a--b": "a-b", "Ärger": "rger",
		strings.Repeat("x", 100): strings.Repeat("x", 48),
	} {
		if got := db.Slug(name, "cn-north-4"); got != want {
			t.Errorf("%q: %q, not %q", name, got, want)
		}
	}
}
