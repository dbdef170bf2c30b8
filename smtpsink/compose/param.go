package compose

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxParam is how long a parameter's value may be on one line; what is longer is
// continued (RFC 2231 section 3).
const maxParam = 60

// param is a parameter of a media type or disposition.
type param struct {
	name, value string
	// quoted puts the value in quotes even where it need not be, as readers
	// expect of a file's name.
	quoted bool
}

func sortedParams(params map[string]string) []param {
	var sorted []param
	for _, name := range slices.Sorted(maps.Keys(params)) {
		sorted = append(sorted, param{name: name, value: params[name]})
	}
	return sorted
}

// nameParams gives a file's name for Content-Disposition, and for readers that know
// no RFC 2231 in ASCII for Content-Type, as most mail programs do. Not side by side
// in one field: Python's email package takes the plain one there.
func nameParams(name string) (disposition, contentType []param) {
	if name == "" {
		return nil, nil
	}
	disposition = []param{{name: "filename", value: name, quoted: true}}
	if !disposition[0].simple() {
		contentType = []param{{name: "name", value: asciiName(name), quoted: true}}
	}
	return disposition, contentType
}

// simple reports whether the value can be written as it is.
func (p param) simple() bool {
	return isASCII(p.value) && len(p.value) <= maxParam && !strings.Contains(p.value, "=?")
}

// words writes the parameter as one or more.
func (p param) words() []string {
	if p.simple() {
		if p.quoted {
			return []string{p.name + "=" + quote(p.value)}
		}
		return []string{p.name + "=" + tokenOrQuoted(p.value)}
	}
	var words []string
	pieces := percentPieces(p.value)
	if len(pieces) == 1 {
		return []string{p.name + "*=utf-8''" + pieces[0]}
	}
	for i, piece := range pieces {
		if i == 0 {
			piece = "utf-8''" + piece
		}
		words = append(words, p.name+"*"+strconv.Itoa(i)+"*="+piece)
	}
	return words
}

func tokenOrQuoted(s string) string {
	if isToken(s) {
		return s
	}
	return quote(s)
}

// asciiName makes a name of ASCII characters, for readers that know no other.
func asciiName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f || r == '"' || r == '\\' || r == '?' {
			return '_'
		}
		return r
	}, s)
	return cutFilename(s, maxParam)
}

// percentPieces writes a value as RFC 2231 section 4 has it, in pieces that fit on
// a line each and are cut between characters.
func percentPieces(s string) []string {
	var pieces []string
	var b strings.Builder
	for len(s) > 0 {
		_, size := utf8.DecodeRuneInString(s)
		n := 0
		for i := range size {
			n += percentLen(s[i])
		}
		if b.Len()+n > maxParam {
			pieces = append(pieces, b.String())
			b.Reset()
		}
		for i := range size {
			if c := s[i]; percentLen(c) == 1 {
				b.WriteByte(c)
			} else {
				b.WriteByte('%')
				b.WriteByte(hexDigits[c>>4])
				b.WriteByte(hexDigits[c&15])
			}
		}
		s = s[size:]
	}
	return append(pieces, b.String())
}

// percentLen is 1 for an attribute-char, which stands for itself.
func percentLen(c byte) int {
	if isAlnum(c) || strings.IndexByte("!#$&+-.^_`{|}~", c) >= 0 {
		return 1
	}
	return 3
}
