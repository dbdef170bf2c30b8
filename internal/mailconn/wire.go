package mailconn

import (
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/postroom-go/postroom/mailbox"
)

const (
	// A peer that sends a little now and then would hold us for ever; one that
	// sends less than minBytes in slowWindows progress timeouts is cut.
	minBytes    = 1 << 10
	slowWindows = 10
	// writeChunk is what a peer must take within one progress timeout.
	writeChunk = 16 << 10

	recordAlert     = 0x15
	recordHandshake = 0x16
)

// wire is the connection below TLS. The deadlines stand here, so that each
// octet counts as progress and not only each whole TLS record.
type wire struct {
	net.Conn
	timeout time.Duration

	mu      sync.Mutex
	idle    bool
	closing time.Duration // if above 0, the timeout of writes
	waited  time.Duration // time spent waiting in Read since the last write
	got     int           // octets read in that time
	since   time.Time     // when the wait last began to count
	upgrade bool          // the next octet must begin a TLS record
}

func newWire(nc net.Conn, timeout time.Duration) *wire {
	return &wire{Conn: nc, timeout: timeout}
}

func (w *wire) Read(p []byte) (int, error) {
	w.mu.Lock()
	if !w.idle {
		_ = w.Conn.SetReadDeadline(time.Now().Add(w.timeout))
	}
	w.mu.Unlock()
	start := time.Now()
	n, err := w.Conn.Read(p)
	if n > 0 {
		if slow := w.progress(p[:n], start); slow != nil {
			return 0, slow
		}
	}
	return n, err
}

// progress counts what a Read brought, and refuses what must not go on.
func (w *wire) progress(p []byte, start time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.upgrade {
		w.upgrade = false
		if p[0] != recordHandshake && p[0] != recordAlert {
			return mailbox.ErrTLSInjection
		}
	}
	if w.idle {
		return nil
	}
	w.got += len(p)
	if start.Before(w.since) {
		start = w.since
	}
	w.waited += time.Since(start)
	if w.waited < slowWindows*w.timeout {
		return nil
	}
	if w.got < minBytes {
		return fmt.Errorf("%w: the server sent only %d octets in %v", mailbox.ErrUnavailable, w.got, w.waited.Round(time.Second))
	}
	w.got, w.waited = 0, 0
	return nil
}

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	w.got, w.waited = 0, 0
	w.mu.Unlock()
	sent := 0
	for {
		chunk := p[sent:min(len(p), sent+writeChunk)]
		w.mu.Lock()
		timeout := w.timeout
		if w.closing > 0 {
			timeout = w.closing
		}
		_ = w.Conn.SetWriteDeadline(time.Now().Add(timeout))
		w.mu.Unlock()
		n, err := w.Conn.Write(chunk)
		sent += n
		if err != nil || sent == len(p) {
			return sent, err
		}
	}
}

func (w *wire) setIdle(idle bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.idle == idle {
		return
	}
	w.idle = idle
	w.got, w.waited = 0, 0
	deadline := time.Time{}
	if !idle {
		w.since = time.Now()
		deadline = w.since.Add(w.timeout)
	}
	_ = w.Conn.SetReadDeadline(deadline)
}

// hurry shortens the time that writes may take, one that is under way included.
func (w *wire) hurry(timeout time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closing = timeout
	_ = w.Conn.SetWriteDeadline(time.Now().Add(timeout))
}

// expectTLS makes anything but a TLS record, as the next thing read, an error.
func (w *wire) expectTLS() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.upgrade = true
}

// The deadlines are the wire's own; crypto/tls must not change them.

func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
