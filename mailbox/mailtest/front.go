package mailtest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// maxHeld is how much of a reply waits to be sent in one piece.
	maxHeld = 32 << 10
	// maxHostLine is the longest command line that a host reads.
	maxHostLine = 64 << 10
)

// errFault is why a connection ends that a fault has ended.
var errFault = errors.New("mailtest: ended by a fault")

// front is a host's end of a connection: TLS, transcript and faults. Replies
// are held back until the server waits for the client, so that a list of many
// short lines is few writes. One goroutine reads; several may write.
type front struct {
	host  *Host
	proto string
	raw   net.Conn
	said  *transcript
	ended chan struct{} // closed when the connection is
	gone  chan struct{} // closed when its session is over, too
	once  sync.Once

	// For the reader alone.
	br *bufio.Reader

	mu      sync.Mutex // for what follows
	nc      net.Conn   // raw, or TLS over it
	held    []byte
	waiting bool // the server waits for the client
	fault   replyFault
}

// replyFault is what is wrong with the reply that comes next.
type replyFault struct {
	delay   time.Duration
	garbage []byte
	limited bool  // the reply ends early,
	left    int64 // after so many octets more,
	stall   bool  // and then nothing happens
}

func newFront(h *Host, proto string, raw net.Conn) *front {
	f := &front{host: h, proto: proto, raw: raw, nc: raw, said: &transcript{}, ended: make(chan struct{}), gone: make(chan struct{})}
	f.br = bufio.NewReaderSize(f.nc, 16<<10)
	return f
}

// secure does the server's side of a TLS handshake.
func (f *front) secure() error {
	if err := f.flush(); err != nil {
		return err
	}
	tc := tls.Server(&bufferedConn{f.nc, f.br}, f.host.tls)
	_ = f.raw.SetDeadline(time.Now().Add(10 * time.Second))
	if err := tc.Handshake(); err != nil {
		f.said.note("TLS handshake: %v", err)
		return err
	}
	_ = f.raw.SetDeadline(time.Time{})
	f.said.note("TLS is on")
	f.mu.Lock()
	f.nc = tc
	f.mu.Unlock()
	f.br = bufio.NewReaderSize(tc, 16<<10)
	return nil
}

// encrypted reports whether TLS is on.
func (f *front) encrypted() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.nc != f.raw
}

// readLine gives the client's next line with its end. What was held back goes
// out first unless the line is there already.
func (f *front) readLine() ([]byte, error) {
	buffered, _ := f.br.Peek(f.br.Buffered())
	if bytes.IndexByte(buffered, '\n') < 0 {
		if err := f.wait(true); err != nil {
			return nil, err
		}
		defer f.wait(false)
	}
	var line []byte
	for {
		frag, err := f.br.ReadSlice('\n')
		line = append(line, frag...)
		if err == nil {
			f.said.add('C', line)
			return line, nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) || len(line) > maxHostLine {
			f.said.add('C', line)
			return nil, err
		}
	}
}

// readRaw reads octets that are no command line.
func (f *front) readRaw(p []byte) (int, error) {
	if f.br.Buffered() == 0 {
		if err := f.wait(true); err != nil {
			return 0, err
		}
		defer f.wait(false)
	}
	n, err := f.br.Read(p)
	f.said.add('C', p[:n])
	return n, err
}

// wait sends what was held back if the server begins to wait.
func (f *front) wait(on bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = on
	if on {
		return f.send()
	}
	return nil
}

// flush sends what was held back.
func (f *front) flush() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.send()
}

// send needs f.mu.
func (f *front) send() error {
	if len(f.held) == 0 {
		return nil
	}
	_, err := f.nc.Write(f.held)
	f.held = f.held[:0]
	return err
}

// Write adds to the reply, the faults permitting.
func (f *front) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.sleep(); err != nil {
		return 0, err
	}
	if g := f.fault.garbage; g != nil {
		f.fault.garbage = nil
		if err := f.reply(g); err != nil {
			return 0, err
		}
	}
	if err := f.reply(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// sleep needs f.mu.
func (f *front) sleep() error {
	if f.fault.delay == 0 {
		return nil
	}
	timer := time.NewTimer(f.fault.delay)
	defer timer.Stop()
	f.fault.delay = 0
	select {
	case <-timer.C:
		return nil
	case <-f.ended:
		return net.ErrClosed
	}
}

// reply needs f.mu.
func (f *front) reply(p []byte) error {
	early := f.fault.limited && int64(len(p)) >= f.fault.left
	if early {
		p = p[:f.fault.left]
	}
	f.fault.left -= int64(len(p))
	f.said.add('S', p)
	f.held = append(f.held, p...)
	if !early && !f.waiting && len(f.held) < maxHeld {
		return nil
	}
	if err := f.send(); err != nil {
		return err
	}
	if early {
		return f.endEarly()
	}
	return nil
}

// endEarly needs f.mu. A stalled connection waits for its end.
func (f *front) endEarly() error {
	if f.fault.stall {
		f.said.note("stalling")
		<-f.ended
		return errFault
	}
	f.said.note("cut")
	f.end()
	return errFault
}

// end closes the connection below TLS.
func (f *front) end() {
	f.once.Do(func() {
		close(f.ended)
		_ = f.raw.Close()
	})
}

// Close sends what was held back and ends the connection in good order. It may
// be called while another goroutine is stuck in Write.
func (f *front) Close() error {
	f.once.Do(func() {
		close(f.ended)
		_ = f.raw.SetDeadline(time.Now().Add(time.Second))
		if f.mu.TryLock() {
			_ = f.send()
			_ = f.nc.Close()
			f.mu.Unlock()
		}
		_ = f.raw.Close()
	})
	return nil
}

// verdict is what becomes of a command.
type verdict struct {
	reply string // answered so, and not done
	bye   string // and the connection ends, if said is set
	ended bool
}

// begin prepares for the reply to a command and says what faults there are.
// flip ends an epoch.
func (f *front) begin(command string, flip func(folder string)) verdict {
	var v verdict
	var r replyFault
	for _, fault := range f.host.faults.take(f.proto, command) {
		switch fault.Kind {
		case FaultCut, FaultStall:
			r.limited, r.left, r.stall = true, fault.N, fault.Kind == FaultStall
		case FaultDelay:
			r.delay += fault.Delay
		case FaultGarbage:
			r.garbage = append(r.garbage, fault.Text+"\r\n"...)
		case FaultReply:
			v.reply = fault.Text
		case FaultBye:
			v.bye, v.ended = fault.Text, true
		case FaultEpoch:
			flip(fault.Folder)
		}
	}
	f.mu.Lock()
	f.fault = r
	f.mu.Unlock()
	return v
}

// The rest makes a net.Conn of it, for server modules.

func (f *front) LocalAddr() net.Addr                { return f.raw.LocalAddr() }
func (f *front) RemoteAddr() net.Addr               { return f.raw.RemoteAddr() }
func (f *front) SetDeadline(t time.Time) error      { return f.raw.SetDeadline(t) }
func (f *front) SetReadDeadline(t time.Time) error  { return f.raw.SetReadDeadline(t) }
func (f *front) SetWriteDeadline(t time.Time) error { return f.raw.SetWriteDeadline(t) }

// writeString writes s and forgets the error: the next read finds it.
func (f *front) writeString(s string) { _, _ = io.WriteString(f, s) }
