package discover

import (
	"strings"

	"github.com/postroom-go/postroom/internal/mailconn"
)

// text makes a stranger's words fit to be shown: one short line without control
// characters.
func text(s string) string {
	s = mailconn.ServerText(s)
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}

// printable reports whether s is short and holds nothing that text would change.
func printable(s string) bool { return len(s) <= 300 && text(s) == s }
