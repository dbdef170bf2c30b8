package discover

import (
	"slices"
	"strings"
)

// result makes what was found the caller's own: user names for his address, and
// nothing shared with others.
func (q *query) result(f found, attempts []Attempt) *Result {
	r := &Result{
		Address: q.addr.full, Domain: q.addr.domain, Display: q.addr.display(), Provider: f.provider,
		Incoming: q.personal(f.incoming), Outgoing: q.personal(f.outgoing),
		Notes: unrepeated(f.notes), Attempts: slices.Clone(attempts),
	}
	if len(r.Incoming) > 0 && !slices.ContainsFunc(r.Incoming, func(s Server) bool { return s.Protocol == IMAP }) {
		r.Notes = append(r.Notes, "There is POP3 only: mail is downloaded, and folders stay on this computer.")
	}
	if len(r.Outgoing) == 0 {
		r.Notes = append(r.Notes, "Nothing names a server for sending: enter it by hand.")
	}
	return r
}

// personal fills the address in.
func (q *query) personal(servers []Server) []Server {
	own := make([]Server, 0, len(servers))
	for _, s := range servers {
		s.Auth = slices.Clone(s.Auth)
		s.Confirm, s.Notes = unrepeated(s.Confirm), unrepeated(s.Notes)
		if s.OAuth2 != nil {
			o := *s.OAuth2
			o.Scopes = slices.Clone(o.Scopes)
			s.OAuth2 = &o
		}
		s.UserForm = userForm(s.User)
		s.User = q.fill(s.User)
		s.AltUser = q.fill(s.AltUser)
		if s.UserForm == "address" && s.AltUser == "" {
			s.AltUser = q.untagged(&s)
		}
		own = append(own, s)
	}
	return own
}

func (q *query) fill(tpl string) string {
	s, _ := expand(tpl, q.addr.full, q.addr.local, q.addr.shown)
	return s
}

// untagged is the address without what follows a "+", which for many providers
// only sorts mail (RFC 5233), and a note about it.
func (q *query) untagged(s *Server) string {
	name, _, tagged := strings.Cut(q.addr.local, "+")
	if !tagged || name == "" || strings.HasPrefix(name, `"`) {
		return ""
	}
	plain := name + "@" + q.addr.shown
	s.Notes = append(s.Notes, "If the login fails, try "+plain+" as the user name.")
	return plain
}

// unrepeated copies texts, each once.
func unrepeated(all []string) (once []string) {
	for _, s := range all {
		if !slices.Contains(once, s) {
			once = append(once, s)
		}
	}
	return once
}
