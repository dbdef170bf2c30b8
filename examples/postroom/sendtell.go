package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/postroom-go/postroom/examples/internal/human"
	"github.com/postroom-go/postroom/smtpsink"
	"github.com/postroom-go/postroom/smtpsink/sent"
)

// sentJSON is a message as --json shows it.
type sentJSON struct {
	File       string          `json:"file,omitempty"`
	MessageID  string          `json:"message_id,omitempty"`
	Outcome    string          `json:"outcome"`
	QueueID    string          `json:"queue_id,omitempty"`
	Reply      string          `json:"reply,omitempty"`
	Size       int64           `json:"size"`
	Recipients []recipientJSON `json:"recipients"`
	Copy       string          `json:"copy,omitempty"`
	CopyID     string          `json:"copy_id,omitempty"`
	Error      string          `json:"error,omitempty"`
}

type recipientJSON struct {
	Address string `json:"address"`
	Outcome string `json:"outcome"`
	Reply   string `json:"reply,omitempty"`
}

// tell prints what became of a message: an object with --json, else a line for
// each recipient. Where that cannot be written it is told on standard error, and
// no more messages are begun.
func (s *sending) tell(file, messageID string, r *smtpsink.Receipt, c *sent.Copy, err error) {
	out := s.app.out
	if s.broken != nil {
		out = s.app.err
	}
	if bad := s.print(out, file, messageID, r, c, err); bad != nil && s.broken == nil {
		s.broken = fmt.Errorf("writing the results: %w", bad)
		s.stop.Store(true)
		_ = s.print(s.app.err, file, messageID, r, c, err)
	}
	if (!s.app.json || len(r.Recipients) == 0 && s.broken == nil) && err != nil && file != "" {
		fmt.Fprintf(s.app.err, "%s: %v\n", human.Printable(file), err)
	}
	if todo := s.advice(messageID, r); todo != "" && (!s.app.json || file == "") {
		if file != "" {
			todo = human.Printable(file) + ": " + todo
		}
		fmt.Fprintln(s.app.err, todo)
	}
}

// advice says what to do about a message, where there is a choice.
func (s *sending) advice(messageID string, r *smtpsink.Receipt) string {
	switch {
	case r.Outcome == smtpsink.Unknown && messageID != "":
		return "It may have been sent: look for the message <" + human.Printable(messageID) + "> where it should have arrived before you send it again."
	case r.Outcome == smtpsink.Unknown:
		return "It may have been sent: look where it should have arrived before you send it again."
	case !s.flags.partial && r.Outcome == smtpsink.Rejected && len(r.Refused()) < len(r.Recipients):
		return "Nobody got it: --partial sends it to those whom the server takes."
	}
	return ""
}

func (s *sending) print(out io.Writer, file, messageID string, r *smtpsink.Receipt, c *sent.Copy, err error) error {
	if s.app.json {
		return s.printJSON(out, file, messageID, r, c, err)
	}
	if s.flags.quiet && err == nil {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, rcpt := range r.Recipients {
		detail := ""
		switch {
		case rcpt.Outcome == smtpsink.Accepted && r.QueueID != "":
			detail = "queued as " + r.QueueID
		case rcpt.Outcome == smtpsink.Accepted || rcpt.Outcome == smtpsink.Rejected:
			detail = said(rcpt.Reply) // that he was welcome means nothing to the others
		}
		cells := []string{rcpt.Address, rcpt.Outcome.String(), detail}
		if file != "" {
			cells = append([]string{file}, cells...)
		}
		row(w, cells...)
	}
	if c != nil {
		row(w, "copy", c.State.String(), c.Folder)
	}
	return w.Flush()
}

func (s *sending) printJSON(out io.Writer, file, messageID string, r *smtpsink.Receipt, c *sent.Copy, err error) error {
	j := sentJSON{
		File: file, MessageID: messageID, Outcome: r.Outcome.String(), QueueID: r.QueueID, Reply: said(r.Reply),
		Size: r.Octets, Recipients: []recipientJSON{},
	}
	for _, rcpt := range r.Recipients {
		j.Recipients = append(j.Recipients, recipientJSON{rcpt.Address, rcpt.Outcome.String(), said(rcpt.Reply)})
	}
	if c != nil {
		j.Copy = c.State.String()
		if !c.ID.IsZero() {
			j.CopyID = c.ID.String()
		}
	}
	if err != nil {
		j.Error = err.Error()
	}
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	return e.Encode(j)
}

// said is a server's answer for people.
func said(r *smtpsink.Reply) string {
	if r == nil {
		return ""
	}
	return strings.Join(strings.Fields(fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text)), " ")
}
