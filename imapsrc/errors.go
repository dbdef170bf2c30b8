package imapsrc

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/mailbox"
)

// StatusError is the server's refusal, for errors.As: a tagged NO or BAD, or
// BYE. Where its response code has a meaning among package mailbox's sentinels
// it is that sentinel to errors.Is (RFC 5530).
type StatusError struct {
	// Kind is "NO", "BAD" or "BYE".
	Kind string
	// Code is the response code's name in upper case, such as "OVERQUOTA", or
	// "".
	Code string
	// Text is what the server said: its words, cleaned of control characters
	// and cut at 1 KiB.
	Text string

	sentinel error
}

// Error quotes the server.
func (e *StatusError) Error() string {
	s := "server said " + e.Kind
	if e.Code != "" {
		s += " [" + e.Code + "]"
	}
	if e.Text != "" {
		s += " " + strconv.Quote(e.Text)
	}
	if e.sentinel != nil {
		return e.sentinel.Error() + ": " + s
	}
	return s
}

// Unwrap gives the sentinel, or nil.
func (e *StatusError) Unwrap() error { return e.sentinel }

// phase is what was being asked when the server refused: the same code, or
// none, means different things.
type phase int

const (
	phaseOther phase = iota
	phaseLogin
	phaseSelect
	phaseAppend // and CREATE
)

// codes are the response codes with a plain meaning (RFC 5530, RFC 9051 section
// 7.1).
var codes = map[string]error{
	"AUTHENTICATIONFAILED": mailbox.ErrAuth,
	"AUTHORIZATIONFAILED":  mailbox.ErrAuth,
	"EXPIRED":              mailbox.ErrAuth,
	"PRIVACYREQUIRED":      mailbox.ErrTLSRequired,
	"UNAVAILABLE":          mailbox.ErrUnavailable,
	"SERVERBUG":            mailbox.ErrUnavailable,
	"CONTACTADMIN":         mailbox.ErrUnavailable,
	"EXPUNGEISSUED":        mailbox.ErrNotFound,
	"INUSE":                mailbox.ErrBusy,
	"NONEXISTENT":          mailbox.ErrNotFound,
	"TRYCREATE":            mailbox.ErrNotFound,
	"ALREADYEXISTS":        mailbox.ErrExists,
	"NOPERM":               mailbox.ErrPermission,
	"CANNOT":               mailbox.ErrPermission,
	"TOOBIG":               mailbox.ErrTooLarge,
}

// refusal makes an error of a server's status, without the secrets that it repeats.
func (s *session) refusal(kind, code, text string, ph phase) error {
	return refusal(kind, s.m.secrets.Redact(code), s.m.secrets.Redact(text), ph)
}

// refusal makes an error of a server's status.
func refusal(kind, code, text string, ph phase) error {
	e := &StatusError{Kind: kind, Code: strings.ToUpper(mailconn.ServerText(code)), Text: mailconn.ServerText(text)}
	e.sentinel = codes[e.Code]
	switch {
	case e.Code == "OVERQUOTA" && ph == phaseAppend:
		e.sentinel = mailbox.ErrQuota
	case e.Code == "CANNOT" && ph == phaseAppend:
		// It is about this message or this name: another may be taken.
		e.sentinel = nil
	case throttles(e, ph):
		return &mailbox.ThrottledError{RetryAfter: retryAfter(e.Text), Err: e}
	case kind == "NO" && ph == phaseAppend && saysFull(e):
		e.sentinel = mailbox.ErrQuota
	case e.sentinel != nil:
	case strings.Contains(strings.ToLower(e.Text), "authenticated but not connected"):
		// Exchange: the login is right and the mailbox's back end is away.
		e.sentinel = mailbox.ErrUnavailable
	case kind == "BYE":
		e.sentinel = mailbox.ErrUnavailable
	case ph == phaseLogin && kind == "NO":
		e.sentinel = mailbox.ErrAuth
	case kind == "BAD":
		e.sentinel = mailbox.ErrProtocol
	}
	return e
}

// throttles reports whether e asks to slow down. OVERQUOTA outside APPEND is
// how Gmail says that its bandwidth limit was reached.
func throttles(e *StatusError, ph phase) bool {
	switch e.Code {
	case "LIMIT", "THROTTLED":
		return true
	case "OVERQUOTA":
		return ph != phaseAppend
	case "AUTHENTICATIONFAILED":
		return false
	}
	text := strings.ToLower(e.Text)
	for _, s := range []string{"too many simultaneous", "too many connections", "throttled", "rate limit", "backoff time",
		"maximum number of connections", "too many login", "too many requests"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// saysFull reports whether e speaks of a quota, without a code that says what it is
// about. Courier says "[ALERT] You exceeded your mail quota.", which is for people.
func saysFull(e *StatusError) bool {
	if e.Code != "" && e.Code != "ALERT" {
		return false
	}
	text := strings.ToLower(e.Text)
	for _, s := range []string{"quota", "mailbox full", "mailbox is full", "disk full"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

var backoffTime = regexp.MustCompile(`(?i)backoff time:?\s*(\d{1,9})\s*milliseconds`)

// retryAfter reads Exchange's "Suggested Backoff Time: 299961 milliseconds".
func retryAfter(text string) time.Duration {
	m := backoffTime.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return time.Duration(n) * time.Millisecond
}

// protocolError says that the server broke the protocol. what is ours, not the
// server's text.
type protocolError struct{ what string }

func (e *protocolError) Error() string { return mailbox.ErrProtocol.Error() + ": " + e.what }
func (e *protocolError) Unwrap() error { return mailbox.ErrProtocol }

// unknownOutcome says that a change was sent and its answer lost, and why.
func unknownOutcome(err error) error { return fmt.Errorf("%w: %w", mailbox.ErrUnknownOutcome, err) }

// opError wraps err for the caller. What is wrapped already stays.
func opError(op, folder string, id mailbox.ID, err error) error {
	var e *mailbox.Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	return &mailbox.Error{Op: op, Folder: folder, ID: id, Err: err}
}

// contextErr reports whether err is a context's own.
func contextErr(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
