package imapsrc

import (
	"io"
	"iter"
	"strings"

	"github.com/postroom-go/postroom/internal/imapwire"
	"github.com/postroom-go/postroom/mailbox"
)

// each yields the responses to a command up to its tagged answer; the error is
// the last. Responses that cannot be parsed at all are left out.
func each(cmd *imapwire.Command) iter.Seq2[*imapwire.Response, error] {
	return func(yield func(*imapwire.Response, error) bool) {
		for {
			r, err := cmd.Next()
			switch {
			case err == io.EOF:
				return
			case malformed(err):
			case err != nil:
				yield(nil, err)
				return
			default:
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// folderArg is a folder's name as an argument. Names that could not be decoded
// are sent as they came.
func (m *Mailbox) folderArg(name string) imapwire.Arg {
	if _, raw := m.learnt.rawNames.Load(name); raw || m.offers.rev2Only() {
		return imapwire.String(name)
	}
	return imapwire.Mailbox(name)
}

// idArg are the fields of an ID command (RFC 2971).
func idArg(id map[string]string) imapwire.Arg {
	var b strings.Builder
	for k, v := range id {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(quote(k) + " " + quote(v))
	}
	return imapwire.Raw("(" + b.String() + ")")
}

// quote writes printable ASCII as a quoted string.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// flagsOf reads a list of flags, such as the argument of PERMANENTFLAGS; any
// says that it holds \*, so that new keywords are kept.
func flagsOf(args string) (flags []mailbox.Flag, any bool) {
	for _, f := range strings.Fields(strings.Trim(args, "() ")) {
		if f == `\*` {
			any = true
			continue
		}
		flags = append(flags, mailbox.Flag(f))
	}
	return flags, any
}
