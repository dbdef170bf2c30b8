package mailmime

import (
	"slices"
	"strconv"
	"strings"
)

// DecodeParams decodes the parameters of a media type or disposition, given in
// their order as name and text: RFC 2231 charsets and continuations in any order
// and with gaps, RFC 2047 words, raw 8-bit text. Names are given in lower case.
// Of two of one name the first wins, an RFC 2231 text over a plain one. At most
// 100 are looked at. The texts are valid UTF-8 on one line. It gives nil if there
// are none. cs may be nil.
func DecodeParams(pairs [][2]string, cs CharsetReader) map[string]string {
	return decodeParams(pairs, cs, (*Limits)(nil).resolve().Params)
}

func decodeParams(pairs [][2]string, cs CharsetReader, max int) map[string]string {
	if len(pairs) == 0 {
		return nil
	}
	m := make(map[string]string, len(pairs))
	var segs []segment
	for _, p := range pairs[:min(len(pairs), max)] {
		name := strings.ToLower(strings.TrimSpace(p[0]))
		if base, rest, ok := strings.Cut(name, "*"); ok {
			if s, ok := newSegment(base, rest, p[1]); ok {
				segs = append(segs, s)
				continue
			}
		}
		if name = oneLine(fromRaw(name)); name == "" {
			continue
		}
		if _, dup := m[name]; !dup {
			m[name] = DecodeHeader(p[1], cs)
		}
	}
	slices.SortStableFunc(segs, segment.compare)
	for len(segs) > 0 {
		n := 1
		for n < len(segs) && segs[n].name == segs[0].name {
			n++
		}
		_, plain := m[segs[0].name]
		if text, ok := joinSegments(segs[:n], cs); ok || !plain {
			m[segs[0].name] = text
		}
		segs = segs[n:]
	}
	return m
}

// segment is a parameter name*, name*0 or name*0* of RFC 2231.
type segment struct {
	name     string
	number   int // -1: the text is whole
	extended bool
	text     string
}

// newSegment reads what stands behind the first star of a name.
func newSegment(name, rest, text string) (segment, bool) {
	s := segment{name: oneLine(fromRaw(name)), number: -1, extended: true, text: text}
	if rest == "" {
		return s, s.name != ""
	}
	rest, s.extended = strings.CutSuffix(rest, "*")
	n, err := strconv.ParseUint(rest, 10, 16)
	s.number = int(n)
	return s, err == nil && s.name != ""
}

// compare sorts by name, the whole text first, then the pieces. The order of the
// message breaks ties.
func (s segment) compare(t segment) int {
	if c := strings.Compare(s.name, t.name); c != 0 {
		return c
	}
	return s.number - t.number
}

// joinSegments gives the text of one parameter from its sorted segments. It is
// not ok if the charset is not known; the text then is as it stands.
func joinSegments(segs []segment, cs CharsetReader) (text string, ok bool) {
	var (
		out     []byte
		as, raw strings.Builder
		label   string
		any     bool
		last    = -2
	)
	for _, s := range segs {
		if s.number == last {
			continue // a duplicate
		}
		if last == -1 {
			break // the whole text was there
		}
		last = s.number
		raw.WriteString(s.text)
		if !s.extended {
			out = append(out, s.text...)
			as.WriteString(s.text)
			continue
		}
		value := s.text
		if !any {
			if l, rest, found := strings.Cut(value, "'"); found {
				if _, rest, found := strings.Cut(rest, "'"); found {
					label, value = l, rest
				}
			}
		}
		any = true
		out = appendPercent(out, value)
	}
	if !any {
		return DecodeHeader(as.String(), cs), true
	}
	text, ok = fromCharset(label, string(out), cs)
	if !ok {
		text = fromRaw(raw.String())
	}
	return oneLine(text), ok
}

// appendPercent decodes %XX; a "%" without two digits stands for itself.
func appendPercent(out []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			continue
		}
		out = append(out, s[i])
	}
	return out
}
