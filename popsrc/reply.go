package popsrc

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/mailbox"
)

// ReplyError is a server's -ERR, for errors.As. What it means is told by the
// sentinel beside it: ErrAuth, ErrBusy, ErrThrottled, ErrUnavailable or
// ErrPermission of package mailbox.
type ReplyError struct {
	// Command is what was refused, such as "RETR"; "greeting" if the server
	// would not even begin.
	Command string
	// Code is the response code (RFC 2449 section 8) in upper case, such as
	// "IN-USE" or "SYS/TEMP"; empty if there is none.
	Code string
	// Text is what the server said, cleaned of control characters and cut at 1
	// KiB. It may be empty. Before TLS is on it is left out: anybody could have
	// written it.
	Text string

	wait time.Duration // the number in [LOGIN-DELAY 900]
}

// Error says what was refused, and what the server said about it.
func (e *ReplyError) Error() string {
	s := e.Command + " refused"
	if e.Code != "" {
		s += " [" + e.Code + "]"
	}
	if e.Text != "" {
		s += fmt.Sprintf(": server said %q", e.Text)
	}
	return s
}

// newReplyError reads what stands behind -ERR.
func newReplyError(command, text string) *ReplyError {
	e := &ReplyError{Command: command}
	if rest, ok := strings.CutPrefix(text, "["); ok {
		if code, after, ok := strings.Cut(rest, "]"); ok && isCode(code) {
			code, arg, _ := strings.Cut(code, " ")
			e.Code, text = strings.ToUpper(code), after
			if n, err := strconv.Atoi(arg); err == nil && n > 0 && n < 1<<20 {
				e.wait = time.Duration(n) * time.Second
			}
		}
	}
	e.Text = mailconn.ServerText(text)
	return e
}

// isCode: RFC 2449 section 8 allows more, but no code in use has it.
func isCode(s string) bool {
	return len(s) > 0 && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '/' && r != ' ' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// meaning puts the sentinel beside a refusal (RFC 2449 section 8.1, RFC 3206
// section 4). delay is what the server announced as LOGIN-DELAY.
func (e *ReplyError) meaning(delay time.Duration) error {
	code, _, _ := strings.Cut(e.Code, "/")
	switch {
	case e.Code == "AUTH":
		return fmt.Errorf("%w: %w", mailbox.ErrAuth, e)
	case e.Code == "IN-USE":
		return &mailbox.ThrottledError{Err: fmt.Errorf("%w: %w", mailbox.ErrBusy, e)}
	case e.Code == "LOGIN-DELAY":
		if e.wait > 0 {
			delay = e.wait
		}
		return &mailbox.ThrottledError{RetryAfter: delay, Err: e}
	case e.Code == "SYS/PERM":
		return fmt.Errorf("%w: %w", mailbox.ErrPermission, e)
	case code == "SYS":
		return fmt.Errorf("%w: %w", mailbox.ErrUnavailable, e)
	}
	return e
}

// known reports whether meaning has a sentinel for the code. A code that is not
// known says no more than none (RFC 2449 section 8).
func (e *ReplyError) known() bool { return e.meaning(0) != error(e) }

// asReply tells a refusal, after which the connection is as good as before,
// from a failure of the connection.
func asReply(err error) (*ReplyError, bool) {
	if err == nil {
		return nil, false
	}
	var e *ReplyError
	ok := errors.As(err, &e)
	return e, ok
}

// status reads a status line (RFC 1939 section 3): nil for +OK, the refusal for
// -ERR, another error for what is neither. What follows is given without the
// space.
func status(command string, line []byte) (text []byte, err error) {
	word, text, _ := bytes.Cut(line, []byte(" "))
	switch {
	case bytes.EqualFold(word, []byte("+OK")):
		return text, nil
	case bytes.EqualFold(word, []byte("-ERR")):
		return nil, newReplyError(command, string(text))
	}
	return nil, fmt.Errorf("%q is no reply to %s", short(line), command)
}

// short is the beginning of a line that makes no sense, fit for an error.
func short(line []byte) string {
	return mailconn.ServerText(string(line[:min(len(line), 60)]))
}
