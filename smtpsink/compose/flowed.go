package compose

import (
	"strings"
)

// flowedWidth is where lines are wrapped, in characters (RFC 3676 section 4.2
// asks for at most 78).
const flowedWidth = 72

// maxDepth is how deep a quotation may be to be wrapped: each line of it has all
// its marks.
const maxDepth = 30

// flow writes text, whose lines end in CRLF, as format=flowed: a line that ends in
// a space goes on in the next one. Lines that are quotations, "> " and the like,
// are wrapped at their own depth (RFC 3676 section 4.5).
func flow(text string) string {
	var b strings.Builder
	lines := strings.Split(text, crlf)
	for i, line := range lines {
		if i > 0 {
			b.WriteString(crlf)
		}
		flowLine(&b, line)
	}
	return b.String()
}

func flowLine(b *strings.Builder, line string) {
	if line == "-- " { // the mark of a signature (section 4.3)
		b.WriteString(line)
		return
	}
	prefix := ""
	depth := quoteDepth(line)
	if depth > maxDepth {
		b.WriteString(strings.TrimRight(line, " "))
		return
	}
	if depth > 0 {
		prefix, line = strings.Repeat(">", depth), strings.TrimPrefix(trimQuotes(line), " ")
	}
	line = strings.TrimRight(line, " ")
	for {
		head, rest := cutFlowed(line, flowedWidth-len(prefix)-1)
		b.WriteString(prefix)
		// Space-stuffing (section 4.4): what would be taken for a mark.
		if head != "" && (prefix != "" || head[0] == ' ' || head[0] == '>' || strings.HasPrefix(head, "From ")) {
			b.WriteByte(' ')
		}
		b.WriteString(head)
		if rest == "" {
			return
		}
		b.WriteString(crlf)
		line = rest
	}
}

// quoteDepth counts the ">" that a line begins with, with spaces between them or
// not, as mail programs write them.
func quoteDepth(line string) int {
	if !strings.HasPrefix(line, ">") {
		return 0
	}
	return strings.Count(line[:len(line)-len(trimQuotes(line))], ">")
}

func trimQuotes(line string) string {
	for {
		trimmed, ok := strings.CutPrefix(line, ">")
		if !ok {
			if trimmed, ok = strings.CutPrefix(line, " >"); !ok {
				return line
			}
		}
		line = trimmed
	}
}

// longer reports whether s has more than n characters. It looks no further.
func longer(s string, n int) bool {
	for range s {
		if n--; n < 0 {
			return true
		}
	}
	return false
}

// cutFlowed cuts a line behind the last run of spaces that fits into width
// characters, or if none does behind the first; never so that the head is the mark
// of a signature.
func cutFlowed(line string, width int) (head, rest string) {
	if !longer(line, width) {
		return line, ""
	}
	at, chars, begun := 0, 0, false
	for i, r := range line {
		if begun && r != ' ' && i > 0 && line[i-1] == ' ' && line[:i] != "-- " {
			if chars <= width || at == 0 {
				at = i
			}
		}
		begun = begun || r != ' '
		if chars++; chars > width && at > 0 {
			break
		}
	}
	if at == 0 {
		return line, ""
	}
	return line[:at], line[at:]
}
