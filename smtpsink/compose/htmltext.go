package compose

import (
	"html"
	"strings"
)

// htmlText makes text of HTML, simply: tags are dropped, those that begin a line
// begin one, what is not shown is left out. It takes linear time on anything.
func htmlText(s string) string {
	w := &textWriter{}
	var tags tagScanner
	for s != "" {
		i := strings.IndexByte(s, '<')
		if i < 0 {
			w.text(s)
			break
		}
		w.text(s[:i])
		s = s[i:]
		if rest, ok := strings.CutPrefix(s, "<!--"); ok {
			s = after(rest, "-->")
			continue
		}
		name, end := tagName(s)
		if name == "" {
			w.text("<")
			s = s[1:]
			continue
		}
		s = s[tags.end(s):]
		switch name {
		case "script", "style", "head", "title", "template":
			if !end {
				s = afterTag(s, name)
			}
		case "br":
			w.line()
		case "p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre":
			w.gap()
		case "div", "tr", "dt", "dd", "section", "article", "header", "footer", "address":
			w.fresh()
		case "li":
			w.fresh()
			if !end {
				w.text("- ")
			}
		case "hr":
			w.fresh()
			w.text("---")
			w.line()
		case "td", "th":
			w.text(" ")
		}
	}
	return strings.Trim(w.b.String(), " \n")
}

// after gives what stands behind mark; nothing if it is not there.
func after(s, mark string) string {
	_, rest, _ := strings.Cut(s, mark)
	return rest
}

// tagName gives the name of the tag that s begins with, in lower case, and whether
// it is an end tag; "" if it is no tag, as in "<3". Declarations have the name "!".
func tagName(s string) (name string, end bool) {
	s = s[1:]
	if strings.HasPrefix(s, "!") || strings.HasPrefix(s, "?") {
		return "!", false
	}
	s, end = strings.CutPrefix(s, "/")
	n := 0
	for n < len(s) && n < 16 && isAlnum(s[n]) && (n > 0 || s[0] > '9') {
		n++
	}
	return strings.ToLower(s[:n]), end
}

// tagScanner finds where tags end.
type tagScanner struct {
	unpaired string // quotes that do not occur any more, looked for once only
}

// end gives the length of the tag that s begins with. A ">" in quotes does not end
// it, unless the quotes themselves do not end.
func (t *tagScanner) end(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '>':
			return i + 1
		case '"', '\'':
			if s[i-1] != '=' && s[i-1] != ' ' || strings.IndexByte(t.unpaired, s[i]) >= 0 {
				continue
			}
			if n := strings.IndexByte(s[i+1:], s[i]); n >= 0 {
				i += 1 + n
			} else {
				t.unpaired += s[i : i+1]
			}
		}
	}
	return len(s)
}

// afterTag gives what stands behind the end tag of that name.
func afterTag(s, name string) string {
	for {
		i := strings.Index(s, "</")
		if i < 0 {
			return ""
		}
		s = s[i+2:]
		if len(s) >= len(name) && strings.EqualFold(s[:len(name)], name) {
			return after(s, ">")
		}
	}
}

// textWriter writes text with its spaces made one.
type textWriter struct {
	b     strings.Builder
	space bool // a space is due before more text
	lines int  // line ends at the end of b
}

func (w *textWriter) text(s string) {
	for _, r := range html.UnescapeString(s) {
		switch r {
		case ' ', '\t', '\n', '\r', '\f', '\u00a0':
			w.space = true
			continue
		}
		if w.space && w.b.Len() > 0 && w.lines == 0 {
			w.b.WriteByte(' ')
		}
		w.space, w.lines = false, 0
		w.b.WriteRune(r)
	}
}

// line ends a line.
func (w *textWriter) line() {
	if w.lines < 2 && w.b.Len() > 0 {
		w.b.WriteByte('\n')
		w.lines++
	}
	w.space = false
}

// fresh ends a line that has begun.
func (w *textWriter) fresh() {
	if w.lines == 0 {
		w.line()
	}
}

// gap makes an empty line.
func (w *textWriter) gap() {
	w.fresh()
	w.line()
}
