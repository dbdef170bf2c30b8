package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

// note is message n: some octets of its own, of several blocks of the simulator.
func note(n int) string {
	return fmt.Sprintf("From: ann@example.org\r\nSubject: %d\r\nMessage-ID: <%d@example.org>\r\n\r\n%s\r\n", n, n, strings.Repeat(fmt.Sprint(n, " "), 300+n))
}

// numberOf is the number of a note.
func numberOf(raw []byte) int {
	var n int
	_, after, _ := bytes.Cut(raw, []byte("Subject: "))
	if _, err := fmt.Fscan(bytes.NewReader(after), &n); err != nil {
		return -1
	}
	return n
}

// post is a server and the Sender to it: what it takes is delivered.
type post struct {
	mu    sync.Mutex
	calls map[int]int            // by note: how often it was read whole
	got   map[int]map[string]int // by note and recipient: how often delivered
	cut   bool                   // a message came that nobody wrote
	order []int
	// answer decides about a message that was read whole; call counts from 0.
	// Nil takes all.
	answer func(n, call int, env *smtpsink.Envelope, opts *smtpsink.SendOptions) (*smtpsink.Receipt, error)
	// before is called before the message is read.
	before func(ctx context.Context, env *smtpsink.Envelope) error
	closed bool
}

func newPost() *post { return &post{calls: map[int]int{}, got: map[int]map[string]int{}} }

// clone is a post that goes on from here, and answers by answer.
func (p *post) clone() *post {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &post{calls: maps.Clone(p.calls), got: map[int]map[string]int{}, cut: p.cut}
	for n, to := range p.got {
		c.got[n] = maps.Clone(to)
	}
	return c
}

func (p *post) Send(ctx context.Context, env *smtpsink.Envelope, message io.Reader, opts *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
	if p.before != nil {
		if err := p.before(ctx, env); err != nil {
			return &smtpsink.Receipt{}, err
		}
	}
	raw, err := io.ReadAll(message)
	if err != nil {
		return &smtpsink.Receipt{}, fmt.Errorf("reading the message: %w", err)
	}
	n := numberOf(raw)
	p.mu.Lock()
	call := p.calls[n]
	p.calls[n]++
	p.order = append(p.order, n)
	p.cut = p.cut || string(raw) != note(n)
	p.mu.Unlock()
	receipt := taken(env)
	if p.answer != nil {
		if receipt, err = p.answer(n, call, env, opts); receipt == nil {
			receipt = &smtpsink.Receipt{}
		}
	}
	for _, r := range receipt.Recipients {
		if r.Outcome == smtpsink.Accepted {
			p.deliver(n, r.Address)
		}
	}
	return receipt, err
}

func (p *post) deliver(n int, to ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.got[n] == nil {
		p.got[n] = map[string]int{}
	}
	for _, address := range to {
		p.got[n][address]++
	}
}

func (p *post) Close() error {
	p.closed = true
	return nil
}

// taken is the receipt of a message that all got.
func taken(env *smtpsink.Envelope) *smtpsink.Receipt {
	r := &smtpsink.Receipt{Outcome: smtpsink.Accepted, QueueID: "Q1", Reply: reply("message", 250)}
	for _, to := range env.To {
		r.Recipients = append(r.Recipients, smtpsink.Recipient{Address: to, Outcome: smtpsink.Accepted})
	}
	return r
}

func reply(command string, code int) *smtpsink.Reply {
	return &smtpsink.Reply{Command: command, Code: code, Text: "the server says"}
}

// refused is the receipt of a message that was refused.
func refused(env *smtpsink.Envelope, code int) (*smtpsink.Receipt, error) {
	r := &smtpsink.Receipt{Outcome: smtpsink.Rejected, Reply: reply("message", code)}
	for _, to := range env.To {
		r.Recipients = append(r.Recipients, smtpsink.Recipient{Address: to, Outcome: smtpsink.Rejected, Reply: r.Reply})
	}
	return r, &mailbox.Error{Op: "send", Err: r.Reply}
}

// lost is what comes of a message whose answer was lost.
func lost(env *smtpsink.Envelope) (*smtpsink.Receipt, error) {
	r := &smtpsink.Receipt{Outcome: smtpsink.Unknown}
	for _, to := range env.To {
		r.Recipients = append(r.Recipients, smtpsink.Recipient{Address: to, Outcome: smtpsink.Unknown})
	}
	return r, &mailbox.Error{Op: "send", Err: fmt.Errorf("%w: %w", mailbox.ErrUnknownOutcome, io.ErrUnexpectedEOF)}
}

func unavailable() error { return &mailbox.Error{Op: "dial", Err: mailbox.ErrUnavailable} }

var errHook = errors.New("no room in the folder")

func to(addresses ...string) *smtpsink.Envelope {
	return &smtpsink.Envelope{From: "ann@example.org", To: addresses}
}

// put enqueues note n to bob.
func put(t testing.TB, box *Outbox, n int, opts *EnqueueOptions) ID {
	t.Helper()
	id, err := box.Enqueue(t.Context(), to("bob@example.com"), strings.NewReader(note(n)), opts)
	require.NoError(t, err)
	return id
}

func openMem(t testing.TB, files disk.Dir, opts *Options) *Outbox {
	t.Helper()
	box, err := openOn(files, opts)
	require.NoError(t, err)
	return box
}

// fresh is an outbox in memory, closed in the end.
func fresh(t testing.TB, opts *Options) (*Outbox, *disktest.Mem) {
	t.Helper()
	files := disktest.NewMem(512)
	box := openMem(t, files, opts)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	return box, files
}

// once is a Run that ends when nothing is due.
func once(t testing.TB, box *Outbox, p smtpsink.Sender, opts *RunOptions) {
	t.Helper()
	require.NoError(t, runOnce(t.Context(), box, p, opts))
}

func runOnce(ctx context.Context, box *Outbox, p smtpsink.Sender, opts *RunOptions) error {
	var o RunOptions
	if opts != nil {
		o = *opts
	}
	o.Once = true
	return box.Run(ctx, p, &o)
}

// get is one entry.
func get(t testing.TB, box *Outbox, id ID) *Entry {
	t.Helper()
	e, err := box.Get(id)
	require.NoError(t, err)
	return e
}

// entries is what is in the outbox.
func entries(t testing.TB, box *Outbox) []*Entry {
	t.Helper()
	var all []*Entry
	for e, err := range box.List() {
		require.NoError(t, err)
		all = append(all, e)
	}
	return all
}

// whole is the number of the note of an entry, which is read.
func whole(e *Entry) (int, error) {
	r, err := e.Open()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	raw, err := io.ReadAll(r)
	if err != nil {
		return 0, err
	}
	n := numberOf(raw)
	if string(raw) != note(n) {
		return n, errors.New("these are not the octets that were given")
	}
	return n, nil
}

// hasty are options that wait for nothing.
func hasty() *Options { return &Options{RetryMin: time.Nanosecond, RetryMax: time.Nanosecond} }
