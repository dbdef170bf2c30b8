package compose

import (
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// maxOpen is how many elements of somebody else's HTML are open at once, as in
// browsers: the tags of what lies deeper are left out, what they hold is not.
const maxOpen = 500

// markup writes somebody else's HTML anew, so that it can stand below what is one's
// own. What comes of it has tags and escaped text, and nothing else that a reader
// could take for something: no comment, no style sheet, no script. It closes what it
// opens, and nothing that it did not open, whatever a reader adds or closes by the
// rules of HTML.
//
// It makes no tree: html.Parse does what the standard says, and that makes 230 MiB
// of 22 KiB ("<p>", 300 times "<b a=1>" with other numbers, 5,000 times "<p>x").
type markup struct {
	b    strings.Builder
	open []atom.Atom
	// cids are the content IDs that it shows.
	cids map[string]bool
	// page has the attributes of html and body that what they hold needs.
	page map[string]string
}

// cleanMarkup gives what can stand within a body. It takes linear time on anything.
func cleanMarkup(s string, cids map[string]bool) string {
	w := &markup{cids: cids, page: map[string]string{}}
	z := html.NewTokenizer(strings.NewReader(s))
	drop := false // the text that comes is none to be shown
	for {
		switch z.Next() {
		case html.ErrorToken: // the end, since a string has no error
			w.closeTo(0, false)
			return plainText("<div" + w.attributes([]html.Attribute{
				{Key: "dir", Val: w.page["dir"]}, {Key: "lang", Val: w.page["lang"]},
			}) + ">" + w.b.String() + "</div>\n")
		case html.TextToken:
			if !drop {
				w.b.WriteString(escapeText(string(z.Text())))
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			switch t.DataAtom {
			case atom.Script, atom.Style, atom.Title, atom.Iframe, atom.Noembed, atom.Noframes:
				drop = true
				continue
			case atom.Noscript:
				z.NextIsNotRawText() // mail has no scripts
			}
			w.start(t)
		case html.EndTagToken:
			w.end(z.Token().DataAtom)
		}
		drop = false
	}
}

// start writes a start tag, and first the end tags of what a reader closes for it
// (HTML Standard, "Parsing HTML documents", 13.2.6.4).
func (w *markup) start(t html.Token) {
	a := t.DataAtom
	switch kind := kindOf(a); {
	case a == atom.Html || a == atom.Body:
		for _, at := range t.Attr {
			if at.Key == "dir" || at.Key == "lang" {
				w.page[at.Key] = at.Val
			}
		}
		return
	case kind == unknown || len(w.open) >= maxOpen:
		return
	case a == atom.Table:
		if i := w.barrier(); i >= 0 && w.open[i] == atom.Table {
			w.closeTo(i, true)
		}
	case kind == tablePart:
		if !w.inTable(a) {
			return
		}
	case a == atom.Li || a == atom.Dd || a == atom.Dt:
		w.closeItem(a)
		w.closeP()
	case isHeading(a):
		w.closeP()
		i := len(w.open) - 1
		for i >= 0 && kindOf(w.open[i]) == format { // which may go on behind it only
			i--
		}
		if i >= 0 && isHeading(w.open[i]) {
			w.closeTo(i, true)
		}
	case kind == block || a == atom.Hr:
		w.closeP()
	case a == atom.A: // there is one at a time
		if i, deep := w.formatting(a); deep {
			return
		} else if i >= 0 {
			w.unformat(i)
		}
	}
	w.b.WriteString("<" + a.String() + w.attributes(t.Attr) + ">")
	if kindOf(a) != void {
		w.open = append(w.open, a)
	}
}

// end writes an end tag, if it ends something.
func (w *markup) end(a atom.Atom) {
	kind := kindOf(a)
	if kind == unknown || kind == void {
		return
	}
	if kind == format {
		if i, deep := w.formatting(a); i >= 0 && !deep {
			w.b.WriteString("</" + a.String() + ">")
			w.unformat(i)
		}
		return
	}
	for i := len(w.open) - 1; i >= 0; i-- {
		o := w.open[i]
		switch {
		case o == a || isHeading(a) && isHeading(o):
			w.closeTo(i, true)
			return
		case o == atom.Table,
			kind != tablePart && a != atom.Table && kindOf(o) == tablePart,
			kind == inline && kindOf(o) == block,
			a == atom.Li && (o == atom.Ul || o == atom.Ol):
			return
		}
	}
}

// formatting finds an element that goes on over blocks. It is deep if so many are
// open within it that readers do not end it: the standard has them try eight times.
func (w *markup) formatting(a atom.Atom) (i int, deep bool) {
	blocks, outside := 0, w.barrier()
	for i := len(w.open) - 1; i > outside; i-- {
		switch {
		case w.open[i] == a:
			return i, blocks > 5
		case kindOf(w.open[i]) == block:
			blocks++
		}
	}
	return -1, false
}

// unformat notes that a reader has ended the i-th element, which is one for
// formatting, and what is inline within it. Blocks go on, and so do others for
// formatting: "<b><i></b></i>".
func (w *markup) unformat(i int) {
	within := slices.DeleteFunc(w.open[i+1:], func(o atom.Atom) bool { return kindOf(o) == inline })
	w.open = append(w.open[:i], within...)
}

// closeTo ends all elements from the i-th, the innermost first. Those whose end tags
// can be left out end with what holds them; the i-th itself is named if tag is set.
func (w *markup) closeTo(i int, tag bool) {
	for n := len(w.open) - 1; n >= i; n-- {
		switch a := w.open[n]; {
		case n == i && tag || a != atom.P && a != atom.Li && a != atom.Dd && a != atom.Dt:
			w.b.WriteString("</" + a.String() + ">")
		}
	}
	w.open = w.open[:i]
}

// barrier gives the innermost table, or cell of one: nothing within it ends what is
// outside. It is -1 if there is none.
func (w *markup) barrier() int {
	for i := len(w.open) - 1; i >= 0; i-- {
		switch w.open[i] {
		case atom.Table, atom.Td, atom.Th, atom.Caption:
			return i
		}
	}
	return -1
}

// closeP notes that a reader ends a paragraph where a block begins, and what it
// holds but for the formatting, which goes on.
func (w *markup) closeP() {
	outside := w.barrier()
	for i := len(w.open) - 1; i > outside; i-- {
		if w.open[i] == atom.P {
			w.open = append(w.open[:i], slices.DeleteFunc(w.open[i:], func(o atom.Atom) bool { return kindOf(o) != format })...)
			return
		}
	}
}

// closeItem ends the item of a list before another begins.
func (w *markup) closeItem(a atom.Atom) {
	for i := len(w.open) - 1; i >= 0; i-- {
		o := w.open[i]
		switch {
		case o == a || a != atom.Li && (o == atom.Dd || o == atom.Dt):
			w.closeTo(i, true)
			return
		case o == atom.Address || o == atom.Div || o == atom.P:
		case kindOf(o) == block || kindOf(o) == tablePart || o == atom.Table:
			return
		}
	}
}

// inTable ends what is open in the innermost table and cannot hold a. Outside a
// table there are no parts of one.
func (w *markup) inTable(a atom.Atom) bool {
	if !slices.Contains(w.open, atom.Table) {
		return false
	}
	i := len(w.open) - 1
	for ; w.open[i] != atom.Table; i-- {
		o := w.open[i]
		section := o == atom.Tbody || o == atom.Thead || o == atom.Tfoot
		if (a == atom.Td || a == atom.Th) && (section || o == atom.Tr) || a == atom.Tr && section {
			break
		}
	}
	if i+1 < len(w.open) {
		w.closeTo(i+1, true)
	}
	return true
}

// attributes gives those that format and link, and notes what parts they show.
func (w *markup) attributes(list []html.Attribute) string {
	var b strings.Builder
	for _, a := range list {
		switch {
		case a.Namespace != "" || a.Val == "" || !isAttributeName(a.Key) || strings.HasPrefix(a.Key, "on") || activeURI(a.Val):
			continue
		case a.Key == "style":
			a.Val = staticStyle(a.Val)
		}
		w.noteCIDs(a.Val)
		b.WriteString(" " + a.Key + `="` + strings.ReplaceAll(escapeText(a.Val), `"`, "&quot;") + `"`)
	}
	return b.String()
}

// noteCIDs notes the URLs of parts (RFC 2392) in an attribute.
func (w *markup) noteCIDs(s string) {
	for {
		i := strings.IndexByte(s, ':')
		if i < 0 {
			return
		}
		scheme := s[:i]
		if s = s[i+1:]; i < 3 || !strings.EqualFold(scheme[i-3:], "cid") {
			continue
		}
		id := s[:min(len(s), maxID)]
		if n := strings.IndexAny(id, " \t\r\n'\"()<>"); n >= 0 {
			id = id[:n]
		}
		w.cids[unescape(id)] = true
		s = s[len(id):]
	}
}

func isAttributeName(s string) bool {
	for i := range len(s) {
		if !isAlnum(s[i]) && s[i] != '-' && s[i] != '_' {
			return false
		}
	}
	return s != ""
}

// activeURI reports whether a value would be run where it is opened. Browsers skip
// spaces and controls before and in a scheme.
func activeURI(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok {
		return false
	}
	scheme = strings.Map(func(r rune) rune {
		if r <= ' ' {
			return -1
		}
		return r
	}, strings.ToLower(scheme))
	return scheme == "javascript" || scheme == "vbscript" || scheme == "data" && !strings.HasPrefix(strings.ToLower(rest), "image/")
}

// staticStyle leaves out of a style what moves an element over what stands above it.
func staticStyle(s string) string {
	var kept []string
	for d := range strings.SplitSeq(s, ";") {
		name, value, _ := strings.Cut(d, ":")
		name = strings.ToLower(strings.TrimSpace(name))
		switch {
		case name == "position", name == "transform", name == "translate", strings.HasPrefix(name, "offset"),
			strings.HasPrefix(name, "margin") && strings.Contains(value, "-"),
			strings.HasPrefix(name, "--"),   // a variable, which hides a value
			strings.ContainsAny(name, `\/`): // an escape or a comment, which hides the name
		default:
			kept = append(kept, d)
		}
	}
	return strings.Join(kept, ";")
}

// escapeText escapes text to stand between tags.
func escapeText(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\u00a0", "&nbsp;").Replace(s)
}
