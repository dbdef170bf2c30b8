package mailtest

import (
	"bytes"
	"regexp"
	"strings"
)

const (
	// hidden stands for what is not shown.
	hidden = "***"
	// maxLineStart is how much of a line is looked at for its command.
	maxLineStart = 512
	// maxLineTail is how much of a line's end is looked at for a literal.
	maxLineTail = 32
)

// confidential finds commands whose arguments are not shown: those that log in
// with IMAP (after a tag), POP3 and SMTP.
var confidential = regexp.MustCompile(`(?i)^(?:(\S+)[ \t]+(LOGIN|AUTHENTICATE)|PASS|APOP|(AUTH))[ \t]`)

// bareCommand finds commands of one word. Any other line of one word may be an
// answer to a SASL challenge.
var bareCommand = regexp.MustCompile(`(?i)^(?:CAPA|STAT|LIST|UIDL|LAST|NOOP|RSET|QUIT|STLS|AUTH|UTF8|STARTTLS|DATA|HELP|DONE|\.?)$`)

// answer reports whether a line may be an answer to a SASL challenge.
func answer(line []byte) bool {
	line = bytes.TrimRight(line, "\r\n")
	return !bytes.ContainsAny(line, " \t") && !bareCommand.Match(line)
}

// command is confidential.FindSubmatchIndex. Lines of one word, which a body in
// base64 has many of, cost little.
func command(line []byte) []int {
	if bytes.IndexByte(line, ' ') < 0 && bytes.IndexByte(line, '\t') < 0 {
		return nil
	}
	return confidential.FindSubmatchIndex(line)
}

// hider hides what a client says in confidence: the arguments of the commands
// that log in, their literals, and the answers to SASL challenges. In doubt it
// hides too much. It follows one connection, whatever pieces the lines come in.
type hider struct {
	start    []byte // of the client's line as far as it has come
	held     []byte // what was not shown yet, as it may be an answer
	hiding   bool   // the rest of the line is not shown
	marked   bool   // and hidden stands in its place already
	exchange bool   // answers to challenges may come

	login     bool // the line is LOGIN's, and may end in a literal
	tag, tail []byte
	literal   int  // octets of it that are still to come
	refusable bool // the server may yet refuse it
}

// client gives what may be shown of p.
func (h *hider) client(p []byte) []byte {
	shown := make([]byte, 0, len(p))
	for len(p) > 0 {
		if n := min(h.literal, len(p)); n > 0 {
			shown = h.mark(shown)
			p, h.literal, h.refusable = p[n:], h.literal-n, false
			continue
		}
		piece := p
		if i := bytes.IndexByte(p, '\n'); i >= 0 {
			piece = p[:i+1]
		}
		p = p[len(piece):]
		shown = h.piece(shown, piece)
	}
	return shown
}

// piece takes a line or a part of one.
func (h *hider) piece(shown, p []byte) []byte {
	before := len(h.start)
	h.start = append(h.start, p[:min(len(p), maxLineStart-before)]...)
	end := p[len(p)-1] == '\n'
	switch m := command(h.start); {
	case h.hiding:
		shown = h.mark(shown)
	case m != nil:
		shown = append(shown, h.held...)
		n := max(m[1]-before, 0)
		shown = h.mark(append(shown, p[:n]...))
		p, h.held, h.hiding = p[n:], nil, true
		h.login = m[4] >= 0 && strings.EqualFold(string(h.start[m[4]:m[5]]), "LOGIN")
		h.exchange = !h.login && (m[4] >= 0 || m[6] >= 0)
		if h.login {
			h.tag = append([]byte(nil), h.start[m[2]:m[3]]...)
		}
	case h.exchange && !end && len(h.start) < maxLineStart:
		h.held = append(h.held, p...)
		return shown
	case h.exchange && answer(h.start):
		shown = h.mark(shown)
		h.hiding, h.held = true, nil
	default:
		shown = append(append(shown, h.held...), p...)
		h.exchange = h.exchange && len(bytes.TrimRight(h.start, "\r\n")) == 0
		h.held = nil
	}
	if h.hiding {
		h.tail = append(h.tail, p...)
		h.tail = h.tail[max(len(h.tail)-maxLineTail, 0):]
	}
	if end {
		shown = h.endLine(shown)
	}
	return shown
}

// mark puts the stars where something is hidden.
func (h *hider) mark(shown []byte) []byte {
	if h.marked {
		return shown
	}
	h.marked = true
	return append(shown, hidden...)
}

// endLine prepares for the next line, which a literal makes a part of this one.
func (h *hider) endLine(shown []byte) []byte {
	h.start = h.start[:0]
	if !h.hiding {
		return shown
	}
	n, sync, ok := literalAtEnd(string(bytes.TrimRight(h.tail, "\r\n")))
	if h.hiding = h.login && ok; h.hiding {
		h.literal, h.refusable = n, sync
	} else {
		h.login = false
	}
	h.marked, h.tail = false, nil
	return append(shown, "\r\n"...)
}

// server takes what the server says: it may refuse a literal, and then the next
// line is a command.
func (h *hider) server(p []byte) {
	if !h.refusable || len(h.tag) == 0 {
		return
	}
	no := append(append([]byte("\n"), h.tag...), ' ')
	if bytes.HasPrefix(p, no[1:]) || bytes.Contains(p, no) {
		h.hiding, h.login, h.refusable, h.literal = false, false, false, 0
	}
}
