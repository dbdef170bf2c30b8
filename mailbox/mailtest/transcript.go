package mailtest

import (
	"fmt"
	"strings"
	"sync"
)

const (
	// maxTranscript is how much of one conversation is written down.
	maxTranscript = 64 << 10
	// maxTranscriptChunk is how much of one Read or Write is: bodies are not
	// of interest, and must not push out what is.
	maxTranscriptChunk = 2 << 10
)

// transcript is what was said on one connection, a line for each line, escaped
// as in Go source but for quotes: "C: " for the client, "S: " for the server,
// "-- " for what happened besides. It is safe for concurrent use.
type transcript struct {
	mu   sync.Mutex
	b    strings.Builder
	from byte // whose line is not at its end yet; 0 if nobody's
	full bool
}

func (t *transcript) add(from byte, p []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.full {
		return
	}
	rest := len(p) - maxTranscriptChunk
	if rest > 0 {
		p = p[:maxTranscriptChunk]
	}
	for len(p) > 0 {
		t.begin(from)
		line := p
		for i, c := range p {
			if c == '\n' {
				line = p[:i+1]
				break
			}
		}
		p = p[len(line):]
		q := fmt.Sprintf("%q", line)
		t.b.WriteString(strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`))
		if line[len(line)-1] == '\n' {
			t.end()
		}
	}
	if rest > 0 {
		fmt.Fprintf(&t.b, " [%d octets more]", rest)
		t.end()
	}
	if t.b.Len() > maxTranscript {
		t.end()
		t.b.WriteString("-- the rest is left out\n")
		t.full = true
	}
}

// note writes down what happened besides what was said.
func (t *transcript) note(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.full {
		return
	}
	t.end()
	fmt.Fprintf(&t.b, "-- "+format+"\n", args...)
}

func (t *transcript) begin(from byte) {
	if t.from == from {
		return
	}
	t.end()
	t.from = from
	t.b.WriteByte(from)
	t.b.WriteString(": ")
}

func (t *transcript) end() {
	if t.from != 0 {
		t.b.WriteByte('\n')
		t.from = 0
	}
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.from != 0 {
		return t.b.String() + "\n"
	}
	return t.b.String()
}
