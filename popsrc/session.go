package popsrc

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/mailbox"
)

// session is one login. Whoever holds the mailbox's gate uses it alone.
//
// Its methods return a *ReplyError, wrapped perhaps, where the server refused
// and the session is as good as before. After any other error the connection is
// broken, and the error says why.
type session struct {
	conn *mailconn.Conn
	rd   *reader
	lim  *limits
	caps capabilities
	list *listing

	began   time.Time        // when list was true
	used    time.Time        // when the server last answered
	secrets mailconn.Secrets // must not be in texts of the server's

	wmu      sync.Mutex // guards writing on conn
	mu       sync.Mutex
	out      []byte // what push has not written yet
	flushing bool
}

func newSession(conn *mailconn.Conn, lim *limits) *session {
	return &session{conn: conn, rd: newReader(conn, lim), lim: lim}
}

// broken reports whether the session is of no more use.
func (s *session) broken() bool { return s.conn.Err() != nil }

// fail ends the session because of err, unless that is a refusal.
func (s *session) fail(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := asReply(err); ok {
		return err
	}
	return s.conn.Fail(err)
}

// send writes command lines, each with its CRLF, at once.
func (s *session) send(lines string) error {
	for line := range strings.SplitSeq(strings.TrimSuffix(lines, "\r\n"), "\r\n") {
		s.conn.Trace(true, line)
	}
	return s.sendQuietly(lines)
}

// sendQuietly is send for what must not be traced as it is.
func (s *session) sendQuietly(lines string) error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	_, err := io.WriteString(s.conn, lines)
	return s.fail(err)
}

// push writes without waiting: pipelined commands must not wait for a server
// that waits for us to read its answers. A failure shows when they are read.
func (s *session) push(lines []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = append(s.out, lines...)
	if !s.flushing {
		s.flushing = true
		go s.flush()
	}
}

func (s *session) flush() {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.out) > 0 {
		p := s.out
		s.out = nil
		s.mu.Unlock()
		_, err := s.conn.Write(p)
		_ = s.fail(err)
		s.mu.Lock()
	}
	s.flushing = false
}

// reply reads a status line. command is its name, for errors.
func (s *session) reply(command string) (text []byte, err error) {
	line, err := s.rd.line()
	if err != nil {
		return nil, s.fail(err)
	}
	s.used = time.Now()
	if s.conn.Tracing() {
		s.conn.Trace(false, s.secrets.Redact(string(line)))
	}
	return s.read(command, line)
}

// read makes sense of a status line. The text is good until the next line.
func (s *session) read(command string, line []byte) (text []byte, err error) {
	text, err = status(command, line)
	if err == nil {
		return text, nil
	}
	if e, ok := asReply(err); ok {
		e.Text = s.secrets.Redact(e.Text)
		return nil, e.meaning(s.caps.loginDelay())
	}
	return nil, s.fail(fmt.Errorf("%w: %s", mailbox.ErrProtocol, s.secrets.Redact(err.Error())))
}

// command sends one command and reads its status.
func (s *session) command(name, args string) error {
	line := name
	if args != "" {
		line += " " + args
	}
	if err := s.send(line + "\r\n"); err != nil {
		return err
	}
	_, err := s.reply(name)
	return err
}

// lines reads a multi-line response: f gets the lines behind +OK.
func (s *session) lines(command string, most int, f func(line []byte)) error {
	if _, err := s.reply(command); err != nil {
		return err
	}
	n := 0
	err := s.rd.list(most, func(line []byte) {
		n++
		f(line)
	})
	if err != nil {
		return s.fail(fmt.Errorf("%s: %w", command, err))
	}
	if s.conn.Tracing() {
		s.conn.Trace(false, fmt.Sprintf("[%d lines]", n))
	}
	return nil
}

// quit ends the session in good order: what was marked by DELE is deleted only
// now (RFC 1939 section 6).
func (s *session) quit() error {
	err := s.command("QUIT", "")
	if _, refused := asReply(err); err == nil || refused {
		_ = s.conn.Close()
	}
	return err
}
