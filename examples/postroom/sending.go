package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

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
	broken  error           // standard output takes no more: the rest goes to standard error
	stop    atomic.Bool     // no more messages, please
}

var (
	errNotAll  = errors.New("not every message was sent to everybody and kept")
	errSome    = errors.New("the server refused some of the recipients")
	errNotSent = errors.New("not sent")
)

// one sends the message that the flags describe.
func (s *sending) one(ctx context.Context, sink *smtpsink.Sink, m *compose.Message) error {
	p, err := m.Prepare(ctx)
	var unread *fs.PathError
	switch {
	case errors.As(err, &unread), ctx.Err() != nil:
		return err
	case err != nil:
		return usagef("%v", err)
	}
	defer p.Close()
	if s.mailbox != nil {
		r, err := sent.Send(ctx, sink, s.mailbox, p, &sent.Options{Send: s.flags.options()})
		err = errors.Join(err, partly(r.Receipt))
		s.tell("", p.MessageID(), r.Receipt, &r.Copy, err)
		return errors.Join(err, s.broken)
	}
	body, err := p.Open(ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	receipt, err := sink.Send(ctx, p.Envelope(), body, s.flags.options())
	err = errors.Join(err, partly(receipt))
	s.tell("", p.MessageID(), receipt, nil, err)
	return errors.Join(err, s.broken)
}

// partly is an error if a message was taken for some of its recipients only.
func partly(r *smtpsink.Receipt) error {
	if r.Outcome == smtpsink.Accepted && len(r.Refused()) > 0 {
		return fmt.Errorf("%w: %d of %d", errSome, len(r.Refused()), len(r.Recipients))
	}
	return nil
}

// unread is a file that cannot be sent.
type unread struct {
	index int
	err   error
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
	bad := make(chan unread, len(files))
	messages := func(yield func(*smtpsink.Message) bool) {
		for i, name := range files {
			f := &rawFile{name: name, index: i, in: s.app.in, again: s.flags.repeat > 1}
			for range s.flags.repeat {
				if s.stop.Load() {
					return
				}
				m, err := f.message(given, opts)
				if err != nil {
					bad <- unread{i, err}
					break
				}
				if !yield(m) {
					return
				}
			}
		}
	}
	times := make([]int, len(files)) // that it is known what became of a file
	var stopped error
	for r, err := range sink.SendAll(ctx, messages) {
		if err != nil {
			stopped = err
			break
		}
		times[r.Message.Tag.(*rawFile).index]++
		s.result(ctx, sink, r, bar)
	}
	bar.Clear()
	s.missing(files, times, bad, stopped)
	switch {
	case s.failed > 0:
		err := fmt.Errorf("%w: %d of %d", errNotAll, s.failed, total)
		if why := errors.Join(stopped, s.broken); why != nil {
			err = fmt.Errorf("%w: %w", err, why)
		}
		return err
	case stopped != nil || s.broken != nil:
		return errors.Join(stopped, s.broken)
	case !s.flags.quiet && !s.app.json:
		fmt.Fprintf(s.app.err, "%d messages sent\n", total)
	}
	return nil
}

// missing tells of the files that were not sent as often as they should be, since
// they could not be read or all was stopped.
func (s *sending) missing(files []string, times []int, bad <-chan unread, stopped error) {
	why := map[int]error{}
	for range len(bad) {
		u := <-bad
		why[u.index] = u.err
	}
	for i, name := range files {
		lacks := s.flags.repeat - times[i]
		if lacks == 0 {
			continue
		}
		s.failed++
		err := why[i]
		switch {
		case err != nil:
		case stopped != nil:
			err = fmt.Errorf("%w: %w", errNotSent, stopped)
		default:
			err = errNotSent // since standard output is gone
		}
		if s.flags.repeat > 1 {
			s.failed += lacks - 1
			err = fmt.Errorf("%d of %d: %w", lacks, s.flags.repeat, err)
		}
		s.tell(name, "", &smtpsink.Receipt{}, nil, err)
	}
}

// result tells of one of many.
func (s *sending) result(ctx context.Context, sink *smtpsink.Sink, r *smtpsink.Result, bar *sendBar) {
	file := r.Message.Tag.(*rawFile)
	var c *sent.Copy
	err := errors.Join(r.Err, partly(r.Receipt))
	if s.mailbox != nil && r.Receipt.Outcome == smtpsink.Accepted && file.name != "-" {
		var m sent.Message
		var fileErr error
		if m, fileErr = sent.Raw(ctx, r.Message.Envelope, func(context.Context) (io.ReadCloser, error) { return file.open() }); fileErr == nil {
			c, fileErr = sent.File(ctx, s.mailbox, m, &sent.Options{Server: sink.Account(), Receipt: r.Receipt})
		}
		err = errors.Join(err, fileErr)
	}
	bar.Add(1)
	if err != nil {
		s.failed++
	}
	if err == nil && s.flags.quiet && !s.app.json {
		return
	}
	bar.Clear()
	id := ""
	if r.Receipt.Outcome == smtpsink.Unknown {
		id = file.messageID()
	}
	s.tell(file.name, id, r.Receipt, c, err)
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
