package sinktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

const secret = "canary-5ecret"

// server takes mail in memory, and does what the levers say.
type server struct {
	mu        sync.Mutex
	delivered []Delivery
	refuse    map[int]int // code by recipient
	refuseAll int         // code
	lose      bool
	cutAt     int64 // -1 is not
	stall     bool
	mute      chan struct{} // nil is not
}

// orders are what the levers have said of one message.
type orders struct {
	refuse    map[int]int
	refuseAll int
	lose      bool
	cutAt     int64
	stall     bool
	mute      chan struct{} // nil is not
}

func (s *server) next() orders {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := orders{s.refuse, s.refuseAll, s.lose, s.cutAt, s.stall, s.mute}
	s.refuse, s.refuseAll, s.lose, s.cutAt, s.stall, s.mute = map[int]int{}, 0, false, -1, false, nil
	return o
}

func (s *server) do(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func code(temporary bool) int {
	if temporary {
		return 450
	}
	return 550
}

// flaws are what may be wrong with a sender; zero is a good one.
type flaws struct {
	keepsBcc, bareLF, sendsPart, resends, closesReader bool
	leaksRecipients, sortsRecipients, trustsAddresses  bool
	nilReceipt, partialByDefault, plainErrors          bool
	stuck, lies, closeOnce, slurps, mixesUp            bool
	tellsSecret, ignoresOptions, changesEnvelope       bool
	upToNUL                                            bool
	oddity
}

// oddity is how a sender may differ from others and be right.
type oddity struct {
	perRecipient bool // the server takes a message once for each
	serial       bool // one message at a time
	sevenBit     bool // no octets above 127
	shortLines   bool // of 998 octets
	taciturn     bool // receipts have no texts and no queue IDs
}

// sender is a sender to a server in memory.
type sender struct {
	srv  *server
	bad  flaws
	done chan struct{}
	turn chan struct{} // holds one while a message is sent, for serial
	once sync.Once

	mu     sync.Mutex
	left   []string // recipients of the last message, for leaksRecipients
	shared []string // recipients of the message that began last, for mixesUp
}

func (s *sender) Close() error {
	err := error(mailbox.ErrClosed)
	s.once.Do(func() { close(s.done); err = nil })
	if !s.bad.closeOnce {
		return nil
	}
	return err
}

func (s *sender) Send(ctx context.Context, env *smtpsink.Envelope, message io.Reader, opts *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
	if opts == nil {
		opts = &smtpsink.SendOptions{}
	}
	receipt := &smtpsink.Receipt{}
	if env != nil {
		for _, to := range env.To {
			receipt.Recipients = append(receipt.Recipients, smtpsink.Recipient{Address: to})
		}
	}
	err := s.send(ctx, env, message, opts, receipt)
	if s.bad.closesReader {
		if c, ok := message.(io.Closer); ok {
			_ = c.Close()
		}
	}
	switch {
	case err == nil:
		return receipt, nil
	case s.bad.tellsSecret:
		err = fmt.Errorf("with password %s: %w", secret, err)
	}
	if !s.bad.plainErrors {
		err = &mailbox.Error{Op: "send", Err: err}
	}
	if s.bad.nilReceipt {
		return nil, err
	}
	return receipt, err
}

func (s *sender) send(ctx context.Context, env *smtpsink.Envelope, message io.Reader, opts *smtpsink.SendOptions, receipt *smtpsink.Receipt) error {
	if err := s.over(ctx); err != nil {
		return err
	}
	if err := s.check(env, opts, message); err != nil {
		return err
	}
	if s.bad.serial {
		select {
		case s.turn <- struct{}{}:
			defer func() { <-s.turn }()
		case <-ctx.Done():
			return ctx.Err()
		case <-s.done:
			return mailbox.ErrClosed
		}
	}
	orders := s.srv.next()
	to, err := s.recipients(env, opts, orders, receipt)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.shared = to
	s.mu.Unlock()
	raw, err := s.read(ctx, message, orders)
	if err == nil && !opts.Binary {
		raw, err = s.tidy(raw, opts)
	}
	switch {
	case err == nil:
	case s.bad.sendsPart && errors.Is(err, errReader) && len(raw) > 0:
		s.deliver(env.From, to, raw)
		return err
	default:
		for i := range receipt.Recipients {
			if receipt.Recipients[i].Outcome == smtpsink.Accepted {
				receipt.Recipients[i].Outcome = smtpsink.NotSent
			}
		}
		return err
	}
	receipt.Octets = int64(len(raw))
	return s.finish(ctx, env, to, raw, orders, receipt)
}

// over is why a call must end.
func (s *sender) over(ctx context.Context) error {
	select {
	case <-s.done:
		return mailbox.ErrClosed
	default:
		return ctx.Err()
	}
}

// check is what can be wrong ahead of all.
func (s *sender) check(env *smtpsink.Envelope, opts *smtpsink.SendOptions, message io.Reader) error {
	if env == nil || len(env.To) == 0 || message == nil {
		return errors.New("no recipient or no message")
	}
	for i, a := range append([]string{env.From}, env.To...) {
		bad := strings.ContainsAny(a, "\r\n\x00<> \t\x1b\x7f,") || !strings.Contains(strings.Trim(a, "@"), "@")
		if bad && (i > 0 || a != "") && !s.bad.trustsAddresses {
			return fmt.Errorf("the address %q is bad", a)
		}
	}
	d := opts.DSN
	if d == nil {
		d = &smtpsink.DSN{}
	}
	asked := len(d.Notify) > 0 || d.Return+d.EnvelopeID != "" || len(d.Original) > 0 || opts.RequireTLS || opts.Binary ||
		opts.DeliverBy != 0 || opts.Priority != 0 || opts.HoldFor != 0 || !opts.HoldUntil.IsZero()
	if opts.Size < 0 || asked && !s.bad.ignoresOptions {
		return errors.ErrUnsupported
	}
	return nil
}

// recipients asks the server for each.
func (s *sender) recipients(env *smtpsink.Envelope, opts *smtpsink.SendOptions, o orders, receipt *smtpsink.Receipt) (to []string, err error) {
	var first *smtpsink.Reply
	for i, address := range env.To {
		rcpt := &receipt.Recipients[i]
		rcpt.Outcome = smtpsink.Accepted
		if c := o.refuse[i]; c != 0 {
			rcpt.Outcome, rcpt.Reply = smtpsink.Rejected, &smtpsink.Reply{Command: "RCPT", Code: c, Text: "no"}
			if first == nil {
				first = rcpt.Reply
			}
			continue
		}
		to = append(to, address)
	}
	if s.bad.sortsRecipients {
		slices.SortFunc(receipt.Recipients, func(a, b smtpsink.Recipient) int { return strings.Compare(a.Address, b.Address) })
	}
	s.mu.Lock()
	if s.bad.leaksRecipients {
		to = append(slices.Clone(s.left), to...)
		s.left = nil
	}
	s.mu.Unlock()
	if first == nil || len(to) > 0 && (opts.Partial || s.bad.partialByDefault) {
		return to, nil
	}
	s.mu.Lock()
	s.left = to
	s.mu.Unlock()
	receipt.Outcome, receipt.Reply = smtpsink.Rejected, first
	for i := range receipt.Recipients {
		if receipt.Recipients[i].Reply == nil {
			receipt.Recipients[i].Outcome = smtpsink.NotSent
		}
	}
	return nil, first
}

// read reads the message in pieces, which the server takes.
func (s *sender) read(ctx context.Context, message io.Reader, o orders) ([]byte, error) {
	type piece struct {
		octets []byte
		err    error
	}
	pieces, stop := make(chan piece), make(chan struct{})
	defer close(stop)
	go func() {
		if s.bad.slurps {
			all, err := io.ReadAll(message)
			message = io.MultiReader(bytes.NewReader(all), &late{err})
		}
		buf := make([]byte, 64<<10)
		for {
			n, err := message.Read(buf)
			p := piece{bytes.Clone(buf[:n]), err}
			select {
			case pieces <- p:
			case <-stop:
				return
			}
			if p.err != nil {
				return
			}
		}
	}()
	var raw []byte
	for {
		source, ended, closed := pieces, ctx.Done(), s.done
		switch {
		case o.stall && len(raw) > 0:
			source = nil
		case s.bad.stuck:
			ended, closed = nil, nil
		}
		select {
		case p := <-source:
			raw = append(raw, p.octets...)
			if o.cutAt >= 0 && int64(len(raw)) > o.cutAt {
				return nil, mailbox.ErrUnavailable
			}
			if p.err == io.EOF {
				return raw, s.over(ctx)
			}
			if p.err != nil {
				return raw, p.err
			}
		case <-ended:
			return nil, ctx.Err()
		case <-closed:
			return nil, mailbox.ErrClosed
		}
	}
}

// late gives an error, or the end.
type late struct{ err error }

func (l *late) Read([]byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	return 0, io.EOF
}

// tidy brings a message into the form in which it is sent.
func (s *sender) tidy(raw []byte, opts *smtpsink.SendOptions) ([]byte, error) {
	if i := bytes.IndexByte(raw, 0); i >= 0 {
		if !s.bad.upToNUL {
			return nil, errors.New("there is a NUL")
		}
		raw = raw[:i]
	}
	if !s.bad.bareLF {
		raw = normal(string(raw))
	}
	if s.bad.sevenBit && bytes.ContainsFunc(raw, func(r rune) bool { return r >= 0x80 }) {
		return nil, errors.ErrUnsupported
	}
	for line := range bytes.Lines(raw) {
		if s.bad.shortLines && len(line) > 1000 {
			return nil, errors.New("a line is too long")
		}
	}
	if opts.KeepBcc || s.bad.keepsBcc {
		return raw, nil
	}
	head, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	var kept []byte
	drop := false
	for line := range bytes.Lines(append(slices.Clip(head), "\r\n"...)) {
		if line[0] != ' ' && line[0] != '\t' {
			name, _, _ := strings.Cut(string(line), ":")
			name = strings.ToLower(strings.TrimSpace(name))
			drop = name == "bcc" || name == "resent-bcc"
		}
		if !drop {
			kept = append(kept, line...)
		}
	}
	return append(append(kept, "\r\n"...), body...), nil
}

func (s *sender) deliver(from string, to []string, raw []byte) {
	if s.bad.perRecipient && len(to) > 1 {
		for i := range to {
			s.deliver(from, to[i:i+1], raw)
		}
		return
	}
	s.srv.do(func() { s.srv.delivered = append(s.srv.delivered, Delivery{from, to, raw}) })
}

// finish ends the message.
func (s *sender) finish(ctx context.Context, env *smtpsink.Envelope, to []string, raw []byte, o orders, receipt *smtpsink.Receipt) error {
	if o.refuseAll != 0 {
		receipt.Outcome, receipt.Reply = smtpsink.Rejected, &smtpsink.Reply{Command: "message", Code: o.refuseAll, Text: "no"}
		for i := range receipt.Recipients {
			receipt.Recipients[i].Outcome, receipt.Recipients[i].Reply = smtpsink.Rejected, receipt.Reply
		}
		return receipt.Reply
	}
	from := env.From
	if s.bad.mixesUp {
		s.mu.Lock()
		to = s.shared
		s.mu.Unlock()
	}
	s.deliver(from, to, raw)
	if s.bad.changesEnvelope {
		env.From = "mangled"
	}
	if !o.lose && o.mute == nil {
		receipt.Outcome = smtpsink.Accepted
		if !s.bad.taciturn {
			receipt.QueueID, receipt.Reply = "1A2B", &smtpsink.Reply{Command: "message", Code: 250, Text: "OK"}
		}
		return nil
	}
	why := error(mailbox.ErrUnavailable)
	if o.mute != nil {
		close(o.mute)
		select {
		case <-ctx.Done():
			why = ctx.Err()
		case <-s.done:
			why = mailbox.ErrClosed
		}
	}
	if s.bad.resends && o.lose {
		s.deliver(from, to, raw)
	}
	if s.bad.lies {
		for i := range receipt.Recipients {
			receipt.Recipients[i].Outcome = smtpsink.NotSent
		}
		return why
	}
	receipt.Outcome = smtpsink.Unknown
	for i := range receipt.Recipients {
		receipt.Recipients[i].Outcome = smtpsink.Unknown
	}
	return fmt.Errorf("%w: %w", mailbox.ErrUnknownOutcome, why)
}

// harness is a server and a sender for it.
func harness(bad flaws) *Harness {
	srv := &server{refuse: map[int]int{}, cutAt: -1}
	h := &Harness{
		Sender: &sender{srv: srv, bad: bad, done: make(chan struct{}), turn: make(chan struct{}, 1)},
		From:   "ann@example.org",
		Delivered: func() (all []Delivery) {
			srv.do(func() { all = srv.delivered })
			return all
		},
		RefuseRecipient: func(nth int, temporary bool) { srv.do(func() { srv.refuse[nth] = code(temporary) }) },
		RefuseMessage:   func(temporary bool) { srv.do(func() { srv.refuseAll = code(temporary) }) },
		LoseAnswer:      func() { srv.do(func() { srv.lose = true }) },
		CutMessage:      func(octets int64) { srv.do(func() { srv.cutAt = octets }) },
		StallMessage:    func() { srv.do(func() { srv.stall = true }) },
		StallAnswer: func() <-chan struct{} {
			taken := make(chan struct{})
			srv.do(func() { srv.mute = taken })
			return taken
		},
		Secrets: []string{secret},
	}
	for n := range minRecipients {
		h.Recipients = append(h.Recipients, fmt.Sprintf("r%02d@example.net", n))
	}
	return h
}

// config is for senders with flaws.
func config(bad flaws) Config {
	return Config{New: func(testing.TB) *Harness { return harness(bad) }, LargeSize: 1 << 20, Timeout: 15 * time.Second}
}
