package access

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"
)

// TLSMode is how a connection is protected.
type TLSMode int

const (
	// TLSImplicit speaks TLS from the first octet (RFC 8314). It is the
	// default.
	TLSImplicit TLSMode = iota
	// TLSStart begins in plaintext and requires STARTTLS (POP3: STLS) before
	// anything else; a server that does not offer it gives ErrTLSRequired.
	TLSStart
	// TLSNone uses no TLS at all: every secret and every message can be read
	// and changed on the way. It is for tests on the loopback interface and
	// for tunnels that protect the connection themselves.
	TLSNone
)

// String names the mode.
func (m TLSMode) String() string {
	switch m {
	case TLSImplicit:
		return "TLS"
	case TLSStart:
		return "STARTTLS"
	default:
		return "plaintext"
	}
}

// Dialer makes connections; *net.Dialer is one, and so are the proxies of
// golang.org/x/net/proxy.
type Dialer interface {
	DialContext(ctx context.Context, network, addr string) (net.Conn, error)
}

// Options is what the network drivers have in common. Nil-like zero is safe:
// TLS from the first octet, verified against the host's name.
type Options struct {
	// TLS is how the connection is protected.
	TLS TLSMode
	// TLSConfig is the base of the TLS configuration; it is cloned. Nil is the
	// system's roots. ServerName, if empty, is the host of the address.
	TLSConfig *tls.Config
	// Dialer makes the TCP connections; nil is a *net.Dialer.
	Dialer Dialer
	// Logger gets what an operator wants to know: reconnects, degraded
	// messages, server alerts. Nil logs nothing.
	Logger *slog.Logger
	// Trace gets each protocol line, secrets redacted. Nil traces nothing. It
	// is called from several goroutines and must not call the mailbox.
	Trace func(TraceEvent)
	// ConnectTimeout bounds dialling, TLS and the greeting together; 0 is 30
	// seconds.
	ConnectTimeout time.Duration
	// ProgressTimeout is how long the server may send nothing while we wait
	// for it, or take nothing while we send; 0 is 60 seconds. A slow transfer
	// that moves is not cut.
	ProgressTimeout time.Duration
}

// TraceEvent is one line of a protocol conversation.
type TraceEvent struct {
	// Conn numbers the mailbox's connections from 1.
	Conn int
	// Sent is true for what we sent.
	Sent bool
	// Line is the line without its end, secrets replaced by "***", other than
	// printable characters escaped, cut at 1 KiB. The octets of a message are
	// not traced but counted: "[1234 octets]".
	Line string
}
