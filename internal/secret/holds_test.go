package secret

import "testing"

func TestHoldsComparesWithoutGivingOut(t *testing.T) {
	r, _ := newRing(t)
	sealed, err := r.Seal("credentials.sealed_secret.a", New("hunter2"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		aad, sealed, secret string
		want                bool
	}{
		{"credentials.sealed_secret.a", sealed, "hunter2", true},
		{"credentials.sealed_secret.a", sealed, "hunter3", false},
		{"credentials.sealed_secret.b", sealed, "hunter2", false},
		{"credentials.sealed_secret.a", "", "", false},
		{"credentials.sealed_secret.a", "nonsense", "hunter2", false},
	} {
		if got := r.Holds(c.aad, c.sealed, New(c.secret)); got != c.want {
			t.Errorf("Holds(%q, %.12q, …) = %v", c.aad, c.sealed, got)
		}
	}
}
