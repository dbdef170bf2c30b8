package mailmime

import (
	"strings"
)

// joinWords gives the octets of words of one charset.
func joinWords(run []word) []byte {
	var out []byte
	for len(run) > 0 {
		if run[0].encoding == 'q' {
			out = appendQ(out, run[0].text)
			run = run[1:]
			continue
		}
		n := splitBase64(run)
		for i := range n {
			out = appendBase64(out, run[i].text)
		}
		if n == 0 { // one base64 text, cut into words anywhere
			var whole strings.Builder
			for n < len(run) && run[n].encoding == 'b' {
				whole.WriteString(run[n].text)
				n++
			}
			out = appendBase64(out, whole.String())
		}
		run = run[n:]
	}
	return out
}

// splitBase64 counts the base64 words at the start of run that stand for
// themselves; 0 means that they only make sense when they are joined.
func splitBase64(run []word) int {
	n, total, odd, padded := 0, 0, false, false
	for n < len(run) && run[n].encoding == 'b' {
		t := run[n].text
		padded = strings.HasSuffix(t, "=")
		total += len(t)
		if n++; len(t)%4 != 0 {
			odd = true
		}
		if padded {
			break
		}
	}
	if odd && n > 1 && total%4 == 0 {
		return 0
	}
	return n
}

// appendQ decodes the Q encoding (RFC 2047 section 4.2), leniently.
func appendQ(out []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '_':
			out = append(out, ' ')
		case s[i] == '=' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			out = append(out, s[i])
		}
	}
	return out
}

// appendBase64 decodes what is base64 in s and passes over the rest. Padding
// ends a quantum, and another may follow.
func appendBase64(out []byte, s string) []byte {
	var acc uint32
	n := 0
	for i := 0; i < len(s); i++ {
		v := base64Value[s[i]]
		if s[i] == '=' {
			out = appendQuantum(out, acc, n)
			acc, n = 0, 0
			continue
		}
		if v == noBase64 {
			continue
		}
		acc = acc<<6 | uint32(v)
		if n++; n == 4 {
			out = append(out, byte(acc>>16), byte(acc>>8), byte(acc))
			acc, n = 0, 0
		}
	}
	return appendQuantum(out, acc, n)
}

// appendQuantum writes what n characters of an unfinished quantum hold.
func appendQuantum(out []byte, acc uint32, n int) []byte {
	switch n {
	case 2:
		return append(out, byte(acc>>4))
	case 3:
		return append(out, byte(acc>>10), byte(acc>>2))
	}
	return out
}

// noBase64 marks octets that are not in the base64 alphabet.
const noBase64 = 0xFF

var base64Value = func() (t [256]byte) {
	for i := range t {
		t[i] = noBase64
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		t[c] = byte(i)
	}
	return t
}()

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
