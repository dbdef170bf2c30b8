package smtpsink

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox/access"
)

// drainServer is a dialer whose server takes messages and keeps nothing.
type drainServer struct {
	caps string
	took int64
	last string // the command that ended the message
}

func (d *drainServer) DialContext(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	go d.serve(server)
	return client, nil
}

func (d *drainServer) serve(nc net.Conn) {
	defer nc.Close()
	br := bufio.NewReaderSize(nc, 64<<10)
	say := func(s string) { _, _ = io.WriteString(nc, s+"\r\n") }
	say("220 drain")
	for open := false; ; {
		line, err := br.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Fields(line)
		switch words[0] {
		case "EHLO":
			say("250-drain\r\n250-PIPELINING\r\n250 " + d.caps)
			continue
		case "MAIL":
			open = true
		case "RSET":
			open = false
		case "DATA":
			say("354 go on")
			d.last = "DATA"
			for end := ""; end != ".\r\n"; {
				p, err := br.ReadSlice('\n')
				if err != nil {
					return
				}
				d.took += int64(len(p))
				end = string(p[:min(len(p), 3)])
			}
			d.took -= 3
		case "BDAT":
			var n int64
			_, _ = fmt.Sscan(words[1], &n)
			_, _ = io.CopyN(io.Discard, br, n)
			if !open {
				say("503 no transaction")
				continue
			}
			d.took += n
			d.last = "BDAT"
		}
		say("250 fine")
	}
}

// flood is a message of n octets that is nowhere. It looks at the heap now and then.
type flood struct {
	n, given int64
	block    []byte
	peak     uint64
}

func (f *flood) Read(p []byte) (int, error) {
	if f.given == f.n {
		return 0, io.EOF
	}
	if f.block == nil {
		f.block = []byte(strings.Repeat(strings.Repeat("x", 62)+"\r\n", 1<<10))
		copy(f.block, "Subject: x\r\n\r\n")
	}
	n := copy(p, f.block[f.given%int64(len(f.block)):])
	n = int(min(int64(n), f.n-f.given))
	if f.given>>22 != (f.given+int64(n))>>22 {
		f.look()
	}
	f.given += int64(n)
	return n, nil
}

func (f *flood) look() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f.peak = max(f.peak, m.HeapAlloc)
}

// TestHeap sends a message of 200 MiB in both ways, and of 40 MiB under the race
// detector: memory does not grow with it. The control keeps it, as a client does that takes a message as a whole.
func TestHeap(t *testing.T) {
	const size = 200 << 20 / slower
	for _, caps := range []string{"SIZE", "CHUNKING"} {
		d := &drainServer{caps: caps}
		opts := (&lab{}).options(nil)
		opts.Net.Dialer = d
		sink, err := Dial(t.Context(), "lab.example:25", access.Auth{}, opts)
		require.NoError(t, err)
		f := &flood{n: size}
		runtime.GC()
		f.look()
		before := f.peak
		receipt, err := sink.Send(t.Context(), envelope("b@example.net"), f, nil)
		require.NoError(t, err)
		f.look()
		assert.Equal(t, int64(size), receipt.Octets)
		assert.Equal(t, int64(size), d.took)
		assert.Equal(t, map[string]string{"SIZE": "DATA", "CHUNKING": "BDAT"}[caps], d.last)
		assert.Less(t, f.peak-before, uint64(16<<20), "%s: the growth of the heap", d.last)
		t.Logf("%s: the heap grew by %d KiB", d.last, (f.peak-before)>>10)
		_ = sink.Close()
	}
	f := &flood{n: 50 << 20}
	runtime.GC()
	f.look()
	before := f.peak
	all, err := io.ReadAll(f)
	require.NoError(t, err)
	f.look()
	assert.Len(t, all, 50<<20)
	assert.Greater(t, f.peak-before, uint64(16<<20), "control")
}
