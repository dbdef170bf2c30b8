package smtpsink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/mailbox"
)

// How long a server may take to answer (RFC 5321 section 4.5.3.2).
const (
	timeoutCommand = 5 * time.Minute
	timeoutData    = 2 * time.Minute
	timeoutBlock   = 3 * time.Minute // to take what is sent
	timeoutFinal   = 10 * time.Minute
	// timeoutDrain is for what a server said before it stopped to listen.
	timeoutDrain = 5 * time.Second
	// timeoutQuit is how long QUIT may take to be sent.
	timeoutQuit = time.Second
)

const (
	outSize = 64 << 10
	// calmMessages is how many messages a refused recipient slows down.
	calmMessages = 8
	// maxStepsDone is how many steps are kept that are done, for one that is
	// busy all the time.
	maxStepsDone = 1 << 10
)

// session is one connection, logged in. One goroutine owns it and writes; one of
// its own reads the replies, each of which belongs to the step that has waited
// the longest.
type session struct {
	conn    *mailconn.Conn
	rd      *replyReader
	ext     extensions
	caps    Caps
	lmtp    bool
	timeout time.Duration    // the user's; 0 is as RFC 5321 has it
	secrets mailconn.Secrets // must not be in texts of the server's
	quiet   bool             // TLS is still to come: a text is anybody's, and not shown
	mute    bool             // there was no greeting

	// The owner's.
	out    []byte          // not written yet
	line   [512]byte       // where command lines are made
	queued int64           // octets put into out so far
	dirty  bool            // a transaction may be open: RSET must come before the next
	probed bool            // the server was asked for discards
	begun  int             // messages
	ctx    context.Context // of the call that has it
	sink   context.Context // the sink's
	reaper *time.Timer     // ends it when nobody uses it; the pool's
	rested bool            // it was in the pool: it may be lost, and nobody knows; the pool's

	mu       sync.Mutex
	cond     sync.Cond
	steps    []step // replies that are awaited are for these
	head     int
	surplus  bool // there is more than was asked for
	watch    *time.Timer
	draining bool
	handed   int64 // octets of out that the network may have
	messages int   // that were accepted or refused on this connection
	goodbye  *Reply
	spent    *Reply        // the server wants no more messages here
	current  *transaction  // whose lines are being sent behind DATA
	err      error         // it is over, and why
	dead     chan struct{} // closed when it is
	// discards: the server throws away the octets of a BDAT that it refuses,
	// as it must (RFC 3030 section 4.2), and does not take them for commands.
	discards bool
	asking   bool // the server was asked, and has not answered
	calm     int  // messages that wait for their recipients all the same
}

// step is what a reply is for.
type step struct {
	t    *transaction
	kind stepKind
	rcpt int // for stepRcpt, and for stepFinal in LMTP
}

type stepKind int

const (
	stepMail stepKind = iota
	stepRcpt
	stepData
	stepChunk
	stepFinal
	// These have no transaction.
	stepReset
	stepProbe
	stepProbed
)

func (k stepKind) command() string {
	return [...]string{"MAIL", "RCPT", "DATA", "BDAT", "message", "RSET", "BDAT", "RSET"}[k]
}

func newSession(conn *mailconn.Conn, lmtp bool, timeout time.Duration) *session {
	s := &session{conn: conn, lmtp: lmtp, timeout: timeout, dead: make(chan struct{})}
	s.cond.L = &s.mu
	s.listen()
	return s
}

// listen begins to read anew: what was read before and not used is forgotten.
func (s *session) listen() {
	s.rd = newReplyReader(s.conn)
	s.rd.show = s.show
}

// start has replies read from now on.
func (s *session) start() {
	s.conn.SetIdle(true) // the watch takes over
	s.watch = time.AfterFunc(time.Hour, func() {
		s.conn.Break(fmt.Errorf("%w: the server did not answer in time", mailbox.ErrUnavailable))
	})
	s.watch.Stop()
	s.surplus = s.rd.br.Buffered() > 0
	go s.readReplies()
}

// readReplies runs until the connection is over.
func (s *session) readReplies() {
	for {
		a, err := s.rd.read()
		if err != nil {
			err = s.conn.Fail(err) // which may take a while
		}
		s.mu.Lock()
		if err == nil {
			if err = s.dispatch(a); err != nil {
				err = s.conn.Fail(err)
			}
		}
		if err != nil {
			s.end(err)
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
	}
}

// end ends the session; the first reason counts. The caller holds mu.
func (s *session) end(err error) {
	if s.err == nil {
		s.err = err
		close(s.dead)
	}
	s.watch.Stop()
	s.cond.Broadcast()
}

// over is why the session has ended; nil if it has not.
func (s *session) over() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// dispatch gives a reply to its step. The caller holds mu.
func (s *session) dispatch(a answer) error {
	if s.conn.Tracing() {
		for line := range strings.SplitSeq(s.secrets.Redact(string(a.text)), "\n") {
			s.conn.Trace(false, fmt.Sprintf("%d %s", a.code, line))
		}
	}
	if s.head == len(s.steps) || s.surplus {
		return s.unasked(a)
	}
	st := s.steps[s.head]
	s.steps[s.head].t = nil
	switch s.head++; {
	case s.head == len(s.steps):
		s.steps, s.head = s.steps[:0], 0
	case s.head == maxStepsDone:
		s.steps, s.head = append(s.steps[:0], s.steps[s.head:]...), 0
	}
	// What is here already answers nothing that is asked from now on.
	s.surplus = s.head == len(s.steps) && s.rd.br.Buffered() > 0
	s.arm()
	if err := s.handle(st, a); err != nil {
		return err
	}
	if a.code == 421 && s.goodbye == nil {
		return s.bye(s.reply(st.kind.command(), a))
	}
	if s.spent != nil && s.head == len(s.steps) {
		return s.bye(s.spent) // when all that was under way is answered
	}
	return nil
}

// handle is dispatch for one step.
func (s *session) handle(st step, a answer) error {
	switch {
	case st.kind == stepProbed:
		s.asking = false
		s.discards = a.code/100 == 2
		if !s.discards {
			return errTakesBodies
		}
		return nil
	case st.t == nil:
		s.cond.Broadcast()
		return nil
	case st.kind == stepFinal && st.t.end > s.handed:
		return s.premature(st.t, a)
	}
	return st.t.answered(s, st, a)
}

// premature is for an answer to a message whose end was not sent: a refusal is one all
// the same. The caller holds mu.
func (s *session) premature(t *transaction, a answer) error {
	r := s.reply("message", a)
	switch {
	case a.code == 421:
		return s.bye(r)
	case a.code < 400:
		return fmt.Errorf("%w: the message was answered before its end was sent: %w", mailbox.ErrProtocol, r)
	}
	if t.failed == nil {
		t.failed = r
	}
	t.complete(s)
	return r
}

// unasked is for a reply that nothing waits for. The caller holds mu.
func (s *session) unasked(a answer) error {
	if t := s.current; t != nil && !t.done {
		return s.premature(t, a)
	}
	r := s.reply("connection", a)
	if a.code >= 400 {
		return s.bye(r)
	}
	return fmt.Errorf("%w: a reply that was not asked for: %w", mailbox.ErrProtocol, r)
}

// bye is the end that the server wants. It has done nothing of what it has not
// answered by now (RFC 5321 section 3.8). The caller holds mu.
func (s *session) bye(r *Reply) error {
	s.goodbye = r
	return r
}

// parted reports whether the refusal of a transaction was the server's goodbye: it
// refused no more than the connection. The caller holds mu.
func (s *session) parted(t *transaction) bool {
	return s.goodbye != nil && t.failed.Code == s.goodbye.Code
}

// expect puts steps behind those that wait. It must come before the octets that
// are answered.
func (s *session) expect(steps ...step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps = append(s.steps, steps...)
}

// arm has the time run for the reply that is due next. The caller holds mu.
func (s *session) arm() {
	switch {
	case s.err != nil:
	case s.draining:
		s.watch.Reset(timeoutDrain)
	case s.head == len(s.steps):
		s.watch.Stop()
	case s.timeout > 0:
		s.watch.Reset(s.timeout)
	case s.steps[s.head].kind == stepFinal:
		s.watch.Reset(timeoutFinal)
	case s.steps[s.head].kind == stepData:
		s.watch.Reset(timeoutData)
	default:
		s.watch.Reset(timeoutCommand)
	}
}

// put has octets written with the next flush, or before.
func (s *session) put(p []byte) error {
	if len(s.out)+len(p) > outSize && len(s.out) > 0 {
		if err := s.flush(); err != nil {
			return err
		}
	}
	s.queued += int64(len(p))
	if len(p) >= outSize {
		return s.write(p)
	}
	s.out = append(s.out, p...)
	return nil
}

// flush writes what was put.
func (s *session) flush() error {
	if len(s.out) == 0 {
		return s.over()
	}
	p := s.out
	s.out = s.out[:0]
	return s.write(p)
}

// write writes the last octets of those that are queued. When it fails, what the
// server has said before is still read: it tells what became of earlier messages.
func (s *session) write(p []byte) error {
	s.mu.Lock()
	if s.err != nil {
		defer s.mu.Unlock()
		return s.err
	}
	before := s.handed
	s.handed = before + int64(len(p))
	s.arm()
	s.mu.Unlock()
	n, err := s.conn.Write(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.arm()
		return s.err
	}
	s.handed = before + int64(n)
	s.draining = true
	s.arm()
	for s.err == nil {
		s.cond.Wait()
	}
	return s.err
}

// await flushes and then waits until done, which is called with mu held.
func (s *session) await(done func() bool) error {
	if err := s.flush(); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if done() {
			return nil
		}
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for !done() {
		if s.err != nil {
			return s.err
		}
		s.cond.Wait()
	}
	return nil
}

// abort cuts the connection because of err, and waits until nothing is read any
// more. What was not handed over whole by then never will be.
func (s *session) abort(err error) error {
	s.conn.Break(err)
	s.out = s.out[:0]
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil {
		s.cond.Wait()
	}
	return err
}

// lost is over, or that the connection is broken and nobody has noticed yet.
func (s *session) lost() bool { return s.over() != nil || s.conn.Err() != nil }

// bind lets the end of ctx cut the session until release is called.
func (s *session) bind(ctx context.Context) (release func() error) {
	s.ctx = ctx
	return s.conn.Bind(ctx)
}

// calledOff is why nothing more must be sent, also where the connection is not
// cut yet; nil if nothing is.
func (s *session) calledOff() error {
	switch {
	case s.sink.Err() != nil:
		return mailbox.ErrClosed
	case s.ctx.Err() != nil:
		return mailconn.ContextError(s.ctx)
	}
	return nil
}

// stopIdle keeps the reaper away; false if it has come already, and then the
// session is the reaper's.
func (s *session) stopIdle() bool {
	return s.reaper == nil || s.reaper.Stop()
}

// quit ends a session that is idle, in good order but without waiting for the
// answer, or for long for a server that takes nothing.
func (s *session) quit() {
	if !s.lost() {
		cut := time.AfterFunc(timeoutQuit, func() { s.conn.Break(nil) })
		s.conn.Trace(true, "QUIT")
		_, _ = io.WriteString(s.conn, "QUIT\r\n")
		cut.Stop()
	}
	_ = s.conn.Close()
}

// traceLines traces command lines.
func (s *session) traceLines(lines []byte) {
	if !s.conn.Tracing() {
		return
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(lines), "\r\n"), "\r\n") {
		s.conn.Trace(true, line)
	}
}

// show makes a server's text fit to be kept.
func (s *session) show(text string) string {
	if s.quiet {
		return ""
	}
	return mailconn.ServerText(s.secrets.Redact(text))
}

// asReply tells a refusal from a failure of the connection.
func asReply(err error) (*Reply, bool) {
	var r *Reply
	ok := errors.As(err, &r)
	return r, ok
}
