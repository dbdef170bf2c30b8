package popsrc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/postroom-go/postroom/mailbox"
)

const (
	// maxAhead is how many commands may be unanswered. They fit into the
	// buffers of any TCP, should the server not read while it answers.
	maxAhead = 1500
	// shyWindow is the window while another call waits for the connection.
	shyWindow = 1 << 20
	// drainLimit is how much of what nobody wants any more is read to its end;
	// if it is more, dropping the connection is cheaper.
	drainLimit = 1 << 20
	// drainTime is how long that may take.
	drainTime = 2 * time.Second
	// topCost is what the header of a message counts in the window.
	topCost = 4 << 10
)

// pipeline is one turn at the connection.
type pipeline struct {
	st *stream
	s  *session
	q  *queue

	sent    int   // items asked for and not answered
	pending int64 // octets announced for them
	limit   int64 // the window
	full    bool  // the window was full once: ask for more when half of it is free
}

func (p *pipeline) run() error {
	p.limit = p.st.m.opts.Window
	if p.others() {
		p.limit = shyWindow
	}
	for first := true; len(p.st.items) > 0; first = false {
		if first || !p.others() {
			p.ask()
		}
		if p.sent == 0 {
			return nil
		}
		if err := p.take(); err != nil {
			return err
		}
	}
	return nil
}

// others reports whether it is time to let go, and sees to it that it happens
// soon.
func (p *pipeline) others() bool {
	if p.st.left() {
		return true
	}
	if p.st.m.waiting.Load() > 0 {
		p.q.Spill()
		return true
	}
	return false
}

// ask asks for as much as the window allows, for one at a time if the server
// cannot do PIPELINING. Once the window was full it waits until half of it is
// free, so that commands go out in bunches.
func (p *pipeline) ask() {
	most, bytes := maxAhead, p.limit
	if !p.s.caps.has("PIPELINING") {
		most, bytes = 1, 0
	}
	if p.full && p.sent > 0 && (p.sent > most/2 || p.pending > bytes/2) {
		return
	}
	p.full = false
	var out []byte
	for p.sent < len(p.st.items) {
		e := p.st.items[p.sent]
		if p.sent > 0 && (p.sent >= most || p.pending+p.cost(e) > bytes) {
			p.full = true
			break
		}
		n := len(out)
		out = p.command(out, e)
		if p.s.conn.Tracing() {
			p.s.conn.Trace(true, string(out[n:len(out)-2]))
		}
		p.sent++
		p.pending += p.cost(e)
	}
	if len(out) > 0 {
		p.s.push(out)
	}
}

func (p *pipeline) cost(e entry) int64 {
	if p.st.header || e.size < 0 {
		return topCost
	}
	return e.size
}

func (p *pipeline) command(out []byte, e entry) []byte {
	if p.st.header {
		out = append(out, "TOP "...)
		out = strconv.AppendInt(out, int64(e.num), 10)
		return append(out, " 0\r\n"...)
	}
	out = append(out, "RETR "...)
	out = strconv.AppendInt(out, int64(e.num), 10)
	return append(out, "\r\n"...)
}

// take reads one answer. The item counts as done also if it was cut: it fails
// alone, and those behind it go on.
func (p *pipeline) take() error {
	e := p.st.items[0]
	g := got{entry: e, id: p.st.list.id(e)}
	name, hint := "RETR", e.size
	if p.st.header {
		name, hint = "TOP", topCost
	}
	if p.st.eager {
		hint = 0
	}
	_, err := p.s.reply(name)
	if _, refused := asReply(err); err != nil && !refused {
		return err
	}
	p.st.items = p.st.items[1:]
	p.sent--
	p.pending -= p.cost(e)
	if err != nil {
		g.err = err
		if body, qerr := p.q.Begin(g, 0); qerr == nil {
			body.CloseWithError(&mailbox.Error{Op: "fetch", ID: g.id, Err: err})
		}
		return nil
	}
	return p.body(g, hint)
}

// body moves one message into the queue. If the consumer has gone it goes
// nowhere.
func (p *pipeline) body(g got, hint int64) error {
	body, err := p.q.Begin(g, hint)
	if err != nil {
		body = nil
	}
	var n int64
	err = p.s.rd.body(p.s.lim.most(g.entry.size), func(b []byte) error {
		if n == 0 && p.st.header {
			b = withoutStatus(b)
		}
		n += int64(len(b))
		if p.st.left() && p.droppable() && p.pending+p.cost(g.entry)-n > drainLimit {
			return errLeft
		}
		if body != nil {
			_, _ = body.Write(b)
		}
		return nil
	})
	if p.s.conn.Tracing() {
		p.s.conn.Trace(false, "["+strconv.FormatInt(n, 10)+" octets]")
	}
	err = p.s.fail(err)
	if body != nil {
		body.CloseWithError(cutBody(g.id, err))
	}
	return err
}

// droppable: without UIDL the end of a session is the end of all its IDs.
func (p *pipeline) droppable() bool { return p.st.list.uidl }

// withoutStatus takes off the second +OK that some servers send ahead of what
// TOP gives. No header begins so.
func withoutStatus(b []byte) []byte {
	if bytes.HasPrefix(b, []byte("+OK")) {
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			return b[i+1:]
		}
	}
	return b
}

// cutBody is the end of a body that is not whole.
func cutBody(id mailbox.ID, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, mailbox.ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
	case !errors.Is(err, io.ErrUnexpectedEOF):
		err = &cutError{err}
	}
	return &mailbox.Error{Op: "fetch", ID: id, Err: err}
}

// cutError is io.ErrUnexpectedEOF with the reason why.
type cutError struct{ err error }

func (e *cutError) Error() string   { return "message cut: " + e.err.Error() }
func (e *cutError) Unwrap() []error { return []error{io.ErrUnexpectedEOF, e.err} }
