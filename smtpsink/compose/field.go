package compose

import (
	"strings"
)

const (
	foldAt   = 78  // RFC 5322 section 2.1.1: what a line should have
	wordLine = 76  // RFC 2047 section 2: of a line with encoded words
	maxLine  = 998 // RFC 5322 section 2.1.1: what a line must not exceed
	longWord = 900 // a word that is longer is encoded, so that it can be folded
)

// fields writes header fields. What it is given was checked: it holds no control
// character.
type fields struct {
	b     strings.Builder
	col   int  // of the line that is being written
	coded bool // it has an encoded word
}

func (f *fields) String() string { return f.b.String() }

func (f *fields) begin(name string) {
	f.b.WriteString(name)
	f.b.WriteByte(':')
	f.col, f.coded = len(name)+1, false
}

func (f *fields) end() { f.b.WriteString("\r\n") }

// word writes a word that is not folded within, and a space or a fold before it.
// The first one stays on the line of the field's name, where all readers find it.
func (f *fields) word(s string, first bool) {
	limit := foldAt
	if f.coded {
		limit = wordLine
	}
	if f.col+1+len(s) > limit && (!first || f.col+1+len(s) > maxLine) {
		f.fold()
	}
	f.b.WriteByte(' ')
	f.b.WriteString(s)
	f.col += 1 + len(s)
}

func (f *fields) fold() {
	f.b.WriteString("\r\n")
	f.col, f.coded = 0, false
}

// words writes a field of words that are ready.
func (f *fields) words(name string, words []string) {
	f.begin(name)
	for i, w := range words {
		f.word(w, i == 0)
	}
	f.end()
}

// text writes an unstructured field (RFC 5322 section 2.2.1).
func (f *fields) text(name, value string) {
	f.begin(name)
	f.encodeText(value)
	f.end()
}

// addresses writes a field of addresses; nothing if there are none.
func (f *fields) addresses(name string, list []address) {
	if len(list) == 0 {
		return
	}
	f.begin(name)
	for i, a := range list {
		comma := ","
		if i == len(list)-1 {
			comma = ""
		}
		if a.name == "" {
			f.word(a.spec+comma, i == 0)
			continue
		}
		f.phrase(a.name, i == 0)
		f.word("<"+a.spec+">"+comma, false)
	}
	f.end()
}

// ids writes a field of message IDs; nothing if there are none.
func (f *fields) ids(name string, ids []string) {
	if len(ids) == 0 {
		return
	}
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = "<" + id + ">"
	}
	f.words(name, words)
}

// media writes Content-Type or Content-Disposition.
func (f *fields) media(name, value string, params []param) {
	words := []string{value}
	for _, p := range params {
		for _, w := range p.words() {
			words[len(words)-1] += ";"
			words = append(words, w)
		}
	}
	f.words(name, words)
}
