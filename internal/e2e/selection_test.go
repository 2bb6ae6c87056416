package e2e_test

// followMatching presses the button that selects every server that matches, and again
// where a reading came in between and another number matches by now.
func (b *browser) followMatching() {
	b.t.Helper()
	b.follow("#selnote button[value^=matching-]")
	wait(b.t, "as many match as the button says", func() bool {
		const again = "#list > [role=alert] button[value^=matching-]"
		if b.count(again) == 0 {
			return true
		}
		b.follow(again)
		return false
	})
}
