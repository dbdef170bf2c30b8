package imapwire

import (
	"bytes"
)

// head is how a response begins.
type head struct {
	kind   byte   // '*' untagged, '+' continuation request, 't' tagged, 'e' an empty line
	tag    []byte // of a tagged response, in the reader's buffer
	num    uint32 // 7 of "* 7 FETCH"; 0 if there is none, or it is none
	name   string // upper case: FETCH, OK...
	rest   int    // where what follows the name and a space begins
	status bool   // OK, NO, BAD, BYE, PREAUTH and "+": what follows is text, without literals
}

// parseHead reads the head of a response out of its first line. It takes
// anything: what makes no sense has a name that nobody asks for.
func parseHead(line []byte) head {
	switch {
	case len(bytes.TrimRight(line, "\r\n")) == 0:
		return head{kind: 'e', rest: len(line), status: true}
	case line[0] == '+':
		h := head{kind: '+', rest: 1, status: true}
		if line[1] == ' ' {
			h.rest = 2
		}
		return h
	case line[0] == '*' && line[1] == ' ':
		h := head{kind: '*'}
		word, next := cutWord(line, 2)
		if n, ok := parseNumber(word); ok {
			if n < 1<<32 {
				h.num = uint32(n)
			}
			word, next = cutWord(line, next)
		}
		h.name, h.rest = internName(word), next
		h.status = isStatus(h.name)
		return h
	}
	h := head{kind: 't'}
	h.tag, h.rest = cutWord(line, 0)
	var word []byte
	word, h.rest = cutWord(line, h.rest)
	h.name, h.status = internName(word), true
	return h
}

// cutWord gives the word at i and where what follows it and its spaces begins.
func cutWord(line []byte, i int) (word []byte, next int) {
	end := i
	for end < len(line) && line[end] != ' ' && line[end] != '\r' && line[end] != '\n' {
		end++
	}
	next = end
	for next < len(line) && line[next] == ' ' {
		next++
	}
	return line[i:end], next
}

// parseNumber reads a decimal number of up to 2^64-1; larger ones are no
// numbers.
func parseNumber(b []byte) (uint64, bool) {
	if len(b) == 0 {
		return 0, false
	}
	var n uint64
	for _, c := range b {
		d := uint64(c - '0')
		if c < '0' || c > '9' || n > (1<<64-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

func isStatus(name string) bool {
	switch name {
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
		return true
	}
	return false
}

// isBodyName reports whether the value of that FETCH item streams.
func isBodyName(name string) bool {
	switch name {
	case "BODY[]", "BINARY[]", "RFC822", "RFC822.TEXT", "RFC822.HEADER":
		return true
	}
	return false
}

// internName gives a name in upper case; those that servers send all day cost
// no allocation.
func internName(b []byte) string {
	switch string(b) {
	case "FETCH":
		return "FETCH"
	case "UID":
		return "UID"
	case "FLAGS":
		return "FLAGS"
	case "INTERNALDATE":
		return "INTERNALDATE"
	case "RFC822.SIZE":
		return "RFC822.SIZE"
	case "ENVELOPE":
		return "ENVELOPE"
	case "BODYSTRUCTURE":
		return "BODYSTRUCTURE"
	case "BODY":
		return "BODY"
	case "BODY[]":
		return "BODY[]"
	case "BINARY[]":
		return "BINARY[]"
	case "MODSEQ":
		return "MODSEQ"
	case "OK":
		return "OK"
	case "EXISTS":
		return "EXISTS"
	case "EXPUNGE":
		return "EXPUNGE"
	case "LIST":
		return "LIST"
	case "STATUS":
		return "STATUS"
	}
	return string(bytes.ToUpper(b[:min(len(b), 100)]))
}
