package imapwire

import (
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/postroom-go/postroom/mailbox"
)

// Options are the options of New. Nil and zero are safe. The functions are
// called by whoever reads or writes, one at a time for each direction, and must
// not call the Conn.
type Options struct {
	// Limits bound what the server may send.
	Limits Limits
	// OnStatus gets every untagged OK, NO, BAD and BYE, and the tagged answers
	// to the engine's commands, whose codes the engine drops.
	OnStatus func(Status)
	// OnUpdate gets EXISTS, EXPUNGE and RECENT with their number, and VANISHED
	// with 0, where no command asked for them.
	OnUpdate func(name string, num uint32)
	// Trace gets each line once, without its end: secrets as "***", literals
	// counted as "[17 octets]".
	Trace func(sent bool, line string)
}

// Conn is a guarded connection. Its methods are safe for concurrent use, but
// commands are read by one goroutine at a time; the engine reads its own.
type Conn struct {
	nc   net.Conn
	opts Options

	wmu  sync.Mutex // held while writing; orders commands as they are written
	sent tracker

	mu      sync.Mutex
	turn    sync.Cond  // on mu: something that a waiter waits for may have changed
	reading bool       // somebody holds what is at the end of this struct
	owner   *Command   // or the reader of this one does: its response is open
	err     error      // why the connection is broken
	bye     *Status    // the last BYE
	tags    int        // commands started
	queue   []*Command // started, not written
	pending []*pending // written, without tagged answer, in order
	engine  *engine    // nil before Engine
	stray   int        // responses that nobody expects, since the last tagged one
	literal literalMode

	rd      reader
	resp    Response
	section string // the last one, not to allocate it again
}

// pending is a command that waits for its tagged answer.
type pending struct {
	tag   string
	raw   *Command       // or
	eng   *engineCommand // the engine's
	after int64          // octets received when it was written: an answer before them is forged
}

// New guards nc. It does no I/O. opts may be nil.
func New(nc net.Conn, opts *Options) *Conn {
	c := &Conn{nc: nc}
	if opts != nil {
		c.opts = *opts
	}
	c.opts.Limits = c.opts.Limits.withDefaults()
	c.turn.L = &c.mu
	c.rd.nc = nc
	c.resp.c = c
	c.resp.p.lim = &c.opts.Limits
	c.sent.c = c
	return c
}

// Greeting reads the server's greeting, which is an OK, PREAUTH or BYE. It is
// called once, before anything else.
func (c *Conn) Greeting() (*Status, error) {
	c.mu.Lock()
	if err := c.err; err != nil {
		c.mu.Unlock()
		return nil, err
	}
	c.reading = true
	c.mu.Unlock()
	defer c.release()

	var h head
	seg, err := c.rd.segment(&h, 0, &c.opts.Limits)
	if err != nil {
		return nil, c.fail(err)
	}
	c.traceSegment(seg)
	if h.kind != '*' || h.name != "OK" && h.name != "PREAUTH" && h.name != "BYE" {
		return nil, c.fail(violation("not a greeting of IMAP"))
	}
	s := parseStatus("", h.name, seg.octets[h.rest:])
	c.learn(s)
	return s, nil
}

// Buffered is how many octets were received and not read. After the OK to
// STARTTLS it must be 0.
func (c *Conn) Buffered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rd.w - c.rd.r
}

// Outstanding is how many commands, the engine's included, were written and
// wait for their tagged answer.
func (c *Conn) Outstanding() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending)
}

// Err is why the connection is broken; nil if it is well. The engine's own
// errors do not tell.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close closes the connection: every call ends, with mailbox.ErrClosed if
// nothing broke it before. It may be called again.
func (c *Conn) Close() error {
	c.Break(mailbox.ErrClosed)
	return nil
}

// Break closes the connection for good and wakes all who wait. The first
// reason is kept. err must not be nil.
func (c *Conn) Break(err error) {
	c.mu.Lock()
	first := c.err == nil
	if first {
		c.err = err
		c.turn.Broadcast()
	}
	c.mu.Unlock()
	if first {
		_ = c.nc.Close()
	}
}

// fail breaks the connection and gives the reason that was first. An end that
// the server announced by BYE, or did not announce, is a matter of now.
func (c *Conn) fail(err error) error {
	if err == io.ErrUnexpectedEOF {
		c.mu.Lock()
		if c.bye != nil {
			err = fmt.Errorf("%w: %w: %w", mailbox.ErrUnavailable, c.bye, err)
		} else {
			err = fmt.Errorf("%w: the server closed the connection: %w", mailbox.ErrUnavailable, err)
		}
		c.mu.Unlock()
	}
	c.Break(err)
	return c.Err()
}

// release ends what the caller began when it set reading.
func (c *Conn) release() {
	c.mu.Lock()
	c.reading = false
	c.turn.Broadcast()
	c.mu.Unlock()
}

// readOne reads the head of one response and sees to it: either a command is
// its owner now, or all of it has been dealt with. The caller has set reading
// and does not hold mu.
func (c *Conn) readOne() {
	r := &c.resp
	start := c.rd.position()
	r.head = head{}
	seg, err := c.rd.segment(&r.head, 0, &c.opts.Limits)
	var owner *Command
	if err == nil {
		c.traceSegment(seg)
		r.begin(seg)
		owner, err = c.route(r, start)
	}
	if err == nil && owner == nil {
		err = r.skip()
	}
	if err != nil {
		_ = c.fail(err)
	}
	c.mu.Lock()
	c.reading, c.owner = false, owner
	c.turn.Broadcast()
	c.mu.Unlock()
}

// skipOwner skips what is left of the open response. mu is held, and let go
// meanwhile.
func (c *Conn) skipOwner() {
	c.reading = true
	c.mu.Unlock()
	if err := c.resp.skip(); err != nil {
		_ = c.fail(err)
	}
	c.mu.Lock()
	c.reading, c.owner = false, nil
	c.turn.Broadcast()
}
