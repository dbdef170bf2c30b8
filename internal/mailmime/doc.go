// Package mailmime reads messages as they are, not as they should be: header
// sections, RFC 2047 words, addresses, dates, media types, transfer encodings,
// and the tree of parts.
//
// Nothing in a message is an error here. What is broken is read as far as it
// goes and named in a list of defects; what is beyond a limit is left whole and
// unread. The only errors are those of the reader that a message comes from.
// Every function takes time linear in its input, and memory bounded by Limits.
//
// All functions are safe for concurrent use; a reader belongs to one goroutine.
package mailmime

import "io"

// CharsetReader converts text in a named charset to UTF-8. It fails if it does
// not know the charset. Where one is asked for, nil knows UTF-8, US-ASCII,
// ISO-8859-1 and windows-1252.
type CharsetReader = func(label string, r io.Reader) (io.Reader, error)

// Limits bound what a message can make us hold. Nil and zero fields are the
// defaults.
type Limits struct {
	// Depth is how deep parts may be nested; default 100. What is nested
	// deeper is one leaf.
	Depth int
	// Parts is how many parts a message may have; default 10,000. Those after
	// it are not told.
	Parts int
	// HeaderBytes is the size of one header section in octets; default 1 MiB.
	// All header sections of one message together may have 16 times as much.
	// Fields behind it are not read.
	HeaderBytes int
	// HeaderFields is how many fields one header section may have; default
	// 10,000. Those after it are not read.
	HeaderFields int
	// Params is how many parameters a header field may have; default 100.
	// Those after it are not read.
	Params int
	// Addresses is how many addresses a header field may have; default 10,000.
	// Those after it are not read.
	Addresses int
	// TotalFields is how many fields the headers inside the message/rfc822
	// parts of one message may have together; default 160,000. Those after it
	// are not told.
	TotalFields int
	// TotalParams is how many parameters and languages the parts of one
	// message may have together; default 100,000. Those after it are not told.
	TotalParams int
	// TotalAddresses is how many addresses and message IDs the headers inside
	// the message/rfc822 parts of one message may have together, each comma,
	// semicolon and angle bracket taken for one; default 100,000. A field that
	// goes beyond it is not told.
	TotalAddresses int
}

// resolve gives l with the defaults filled in; l may be nil.
func (l *Limits) resolve() Limits {
	var r Limits
	if l != nil {
		r = *l
	}
	r.Depth = orDefault(r.Depth, 100)
	r.Parts = orDefault(r.Parts, 10_000)
	r.HeaderBytes = orDefault(r.HeaderBytes, 1<<20)
	r.HeaderFields = orDefault(r.HeaderFields, 10_000)
	r.Params = orDefault(r.Params, 100)
	r.Addresses = orDefault(r.Addresses, 10_000)
	r.TotalFields = orDefault(r.TotalFields, 160_000)
	r.TotalParams = orDefault(r.TotalParams, 100_000)
	r.TotalAddresses = orDefault(r.TotalAddresses, 100_000)
	return r
}

func orDefault(n, def int) int {
	if n <= 0 {
		return def
	}
	return n
}

// defects is a list without repetitions. There are few kinds of them, so
// looking through the list is cheap.
type defects []string

func (d *defects) add(s string) {
	for _, have := range *d {
		if have == s {
			return
		}
	}
	*d = append(*d, s)
}
