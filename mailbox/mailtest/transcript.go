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

// transcript is what was said on one connection, once as it was and once with
// hidden in place of what logs in. It is safe for concurrent use.
type transcript struct {
	mu        sync.Mutex
	raw, safe record
	hide      hider
}

// add writes down what was said and gives what may be shown of it. from is 'C'
// for the client, 'S' for the server.
func (t *transcript) add(from byte, p []byte) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	shown := p
	if from == 'C' {
		shown = t.hide.client(p)
	} else {
		t.hide.server(p)
	}
	t.raw.add(from, p)
	t.safe.add(from, shown)
	return string(shown)
}

// note writes down what happened besides what was said. It must hold no secret.
func (t *transcript) note(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	t.raw.note(text)
	t.safe.note(text)
}

// String is what may be shown.
func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.safe.text()
}

// Raw is all that was said, passwords included.
func (t *transcript) Raw() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.raw.text()
}

// record is a transcript's text, a line for each line, escaped as in Go source
// but for quotes: "C: " for the client, "S: " for the server, "-- " for what
// happened besides.
type record struct {
	b    strings.Builder
	from byte // whose line is not at its end yet; 0 if nobody's
	full bool
}

func (t *record) add(from byte, p []byte) {
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

func (t *record) note(text string) {
	if t.full {
		return
	}
	t.end()
	t.b.WriteString("-- " + text + "\n")
}

func (t *record) begin(from byte) {
	if t.from == from {
		return
	}
	t.end()
	t.from = from
	t.b.WriteByte(from)
	t.b.WriteString(": ")
}

func (t *record) end() {
	if t.from != 0 {
		t.b.WriteByte('\n')
		t.from = 0
	}
}

func (t *record) text() string {
	if t.from != 0 {
		return t.b.String() + "\n"
	}
	return t.b.String()
}
