package views

// SignInView is the sign-in form. The password is never kept.
type SignInView struct {
	Page  Page
	Name  string
	Next  string
	Error string // "" for the first try
}
