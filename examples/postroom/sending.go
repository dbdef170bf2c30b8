package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/postroom-go/postroom/examples/internal/human"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
	"github.com/postroom-go/postroom/smtpsink/compose"
	"github.com/postroom-go/postroom/smtpsink/sent"
)

// sending is one run of send.
type sending struct {
	app     *app
	flags   *sendFlags
	mailbox mailbox.Mailbox // keeps copies; nil if there is none
	failed  int             // messages that are not as they should be
}

var errNotAll = errors.New("not every message was sent to everybody and kept")

// one sends the message that the flags describe.
func (s *sending) one(ctx context.Context, sink *smtpsink.Sink, m *compose.Message) error {
	p, err := m.Prepare(ctx)
	if err != nil {
		return usagef("%v", err)
	}
	defer p.Close()
	if s.mailbox != nil {
		r, err := sent.Send(ctx, sink, s.mailbox, p, &sent.Options{Send: s.flags.options()})
		return errors.Join(err, s.tell("", p.MessageID(), r.Receipt, &r.Copy, err))
	}
	body, err := p.Open(ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	receipt, err := sink.Send(ctx, p.Envelope(), body, s.flags.options())
	return errors.Join(err, s.tell("", p.MessageID(), receipt, nil, err))
}

// many sends files over one connection.
func (s *sending) many(ctx context.Context, sink *smtpsink.Sink, files []string) error {
	given, err := s.flags.given()
	if err != nil {
		return err
	}
	opts := s.flags.options()
	total := len(files) * s.flags.repeat
	bar := s.bar(total)
	type unread struct {
		name string
		err  error
	}
	bad := make(chan unread, len(files))
	messages := func(yield func(*smtpsink.Message) bool) {
		for _, name := range files {
			f := &rawFile{name: name, in: s.app.in, again: s.flags.repeat > 1}
			for range s.flags.repeat {
				m, err := f.message(given, opts)
				if err != nil {
					bad <- unread{name, err}
					break
				}
				if !yield(m) {
					return
				}
			}
		}
	}
	done := 0
	for r, err := range sink.SendAll(ctx, messages) {
		if err != nil {
			bar.Clear()
			return err
		}
		if err := s.result(ctx, sink, r, bar); err != nil {
			return err
		}
		done++
	}
	bar.Clear()
	close(bad)
	for u := range bad {
		s.failed++
		fmt.Fprintf(s.app.err, "%s: %v\n", human.Printable(u.name), u.err)
	}
	if s.failed > 0 {
		return fmt.Errorf("%w: %d of %d", errNotAll, s.failed, total)
	}
	if !s.flags.quiet && !s.app.json {
		fmt.Fprintf(s.app.err, "%d messages sent\n", done)
	}
	return nil
}

// result tells of one of many.
func (s *sending) result(ctx context.Context, sink *smtpsink.Sink, r *smtpsink.Result, bar *sendBar) error {
	file := r.Message.Tag.(*rawFile)
	var c *sent.Copy
	err := r.Err
	if s.mailbox != nil && r.Receipt.Outcome == smtpsink.Accepted && file.name != "-" {
		var m sent.Message
		var fileErr error
		if m, fileErr = sent.Raw(ctx, file.env, func(context.Context) (io.ReadCloser, error) { return file.open() }); fileErr == nil {
			c, fileErr = sent.File(ctx, s.mailbox, m, &sent.Options{Server: sink.Account(), Receipt: r.Receipt})
		}
		err = errors.Join(err, fileErr)
	}
	bar.Add(1)
	if err != nil {
		s.failed++
	}
	if err == nil && s.flags.quiet && !s.app.json {
		return nil
	}
	bar.Clear()
	return s.tell(file.name, "", r.Receipt, c, err)
}

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
// each recipient.
func (s *sending) tell(file, messageID string, r *smtpsink.Receipt, c *sent.Copy, err error) error {
	if s.app.json {
		j := sentJSON{File: file, MessageID: messageID, Outcome: r.Outcome.String(), QueueID: r.QueueID, Reply: said(r.Reply), Size: r.Octets}
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
		return s.app.printJSON(j)
	}
	if s.flags.quiet && err == nil {
		return nil
	}
	w := s.app.table()
	for _, rcpt := range r.Recipients {
		detail := said(rcpt.Reply)
		if rcpt.Outcome == smtpsink.Accepted && r.QueueID != "" {
			detail = "queued as " + r.QueueID
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
	if err := w.Flush(); err != nil {
		return err
	}
	if err != nil && file != "" {
		fmt.Fprintf(s.app.err, "%s: %v\n", human.Printable(file), err)
	}
	return nil
}

// said is a server's answer for people.
func said(r *smtpsink.Reply) string {
	if r == nil {
		return ""
	}
	return strings.Join(strings.Fields(fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text)), " ")
}

// sendBar shows how many of the messages are sent. A nil one shows nothing.
type sendBar struct{ bar *progressbar.ProgressBar }

// bar gives the bar for standard error, nil where that is no terminal.
func (s *sending) bar(total int) *sendBar {
	f, ok := s.app.err.(*os.File)
	if !ok || s.flags.quiet || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return &sendBar{progressbar.NewOptions(total,
		progressbar.OptionSetWriter(f),
		progressbar.OptionSetDescription("sending"),
		progressbar.OptionShowCount(),
		progressbar.OptionThrottle(100*time.Millisecond))}
}

// Add counts messages.
func (b *sendBar) Add(n int) {
	if b != nil {
		_ = b.bar.Add(n) // nothing depends on a picture
	}
}

// Clear takes the bar off the screen, for a line in its place.
func (b *sendBar) Clear() {
	if b != nil {
		_ = b.bar.Clear()
	}
}
