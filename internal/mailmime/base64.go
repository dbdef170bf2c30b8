package mailmime

// base64Decoder passes over what is not in the alphabet, until padding has ended
// a quantum. What follows then may be another text, for some senders join them,
// or words in plain text, for some mailing lists put a footer behind. So from
// there on a line is decoded only if all of it can be base64, and at the first
// that cannot be, the text is over.
type base64Decoder struct {
	acc uint32
	n   int // characters in acc

	padded bool   // padding was met:
	line   []byte // the characters of the current line, not decoded yet
	long   bool   // it is longer than maxBase64Line, and decoded as it comes
	gap    bool   // there is space behind them
	over   bool   // the rest is no base64
}

// maxBase64Line is how much of a line is held back to see whether all of it is
// base64. The longest line of a message has 998 octets (RFC 5322 section 2.1.1).
const maxBase64Line = 1 << 10

func (d *base64Decoder) append(out, in []byte, end bool) []byte {
	for i := 0; i < len(in) && !d.over; i++ {
		if d.padded {
			out = d.behind(out, in[i])
			continue
		}
		var n int
		if out, n = d.quanta(out, in[i:]); n > 0 {
			i += n - 1
			continue
		}
		out = d.char(out, in[i])
		d.padded = in[i] == '='
	}
	if end {
		out = d.flush(d.held(out))
	}
	return out
}

// quanta decodes the whole quanta that in begins with, and gives how many octets
// of it they are: all but the ends of most lines.
func (d *base64Decoder) quanta(out, in []byte) (_ []byte, n int) {
	if d.n > 0 {
		return out, 0
	}
	t := &base64Value
	for ; n+4 <= len(in); n += 4 {
		a, b, c, e := t[in[n]], t[in[n+1]], t[in[n+2]], t[in[n+3]]
		if a|b|c|e == noBase64 {
			break
		}
		out = append(out, a<<2|b>>4, b<<4|c>>2, c<<6|e)
	}
	return out, n
}

// char decodes one character.
func (d *base64Decoder) char(out []byte, c byte) []byte {
	v := base64Value[c]
	switch {
	case c == '=':
		return d.flush(out)
	case v == noBase64:
		return out
	}
	d.acc = d.acc<<6 | uint32(v)
	if d.n++; d.n < 4 {
		return out
	}
	out = append(out, byte(d.acc>>16), byte(d.acc>>8), byte(d.acc))
	d.acc, d.n = 0, 0
	return out
}

// flush ends a quantum.
func (d *base64Decoder) flush(out []byte) []byte {
	out = appendQuantum(out, d.acc, d.n)
	d.acc, d.n = 0, 0
	return out
}

// behind takes a character behind padding.
func (d *base64Decoder) behind(out []byte, c byte) []byte {
	switch {
	case c == '\r', c == '\n':
		out = d.held(out)
		d.long, d.gap = false, false
	case c == ' ', c == '\t':
		d.gap = d.long || len(d.line) > 0
	case c == '=':
		return d.flush(d.held(out))
	case base64Value[c] == noBase64, d.gap:
		d.over, d.line = true, nil
	case d.long:
		return d.char(out, c)
	default:
		if d.line = append(d.line, c); len(d.line) == maxBase64Line {
			d.long = true
			return d.held(out)
		}
	}
	return out
}

// held decodes the characters that were held back.
func (d *base64Decoder) held(out []byte) []byte {
	for _, c := range d.line {
		out = d.char(out, c)
	}
	d.line = d.line[:0]
	return out
}
