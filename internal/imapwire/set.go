package imapwire

import (
	"bytes"
	"iter"
	"math"
	"slices"
	"sort"
	"strconv"
)

// maxRanges is how many ranges ParseSet takes.
const maxRanges = 1 << 20

// Range is the UIDs from First to Last, both included.
type Range struct{ First, Last uint32 }

// Set is a set of UIDs as ascending ranges that do not touch. It is never
// expanded: a server can name four thousand million UIDs in twelve octets.
type Set []Range

// SetOf gives the set of the given UIDs, in any order. Zeros are left out.
func SetOf(uids []uint32) Set {
	var s Set
	for _, u := range uids {
		if u != 0 {
			s = s.add(Range{u, u})
		}
	}
	return s.normal()
}

// add appends a range, joined to the last one where it goes on from there. So
// ascending and descending runs cost no memory.
func (s Set) add(r Range) Set {
	if n := len(s); n > 0 {
		last := &s[n-1]
		switch {
		case r.First >= last.First && uint64(r.First) <= uint64(last.Last)+1:
			last.Last = max(last.Last, r.Last)
			return s
		case r.Last < last.First && r.Last+1 == last.First:
			last.First = r.First
			return s
		}
	}
	return append(s, r)
}

// normal sorts the ranges and joins those that meet, in s's own memory.
func (s Set) normal() Set {
	ascending := func(a, b Range) int {
		switch {
		case a.First < b.First:
			return -1
		case a.First > b.First:
			return 1
		}
		return 0
	}
	if !slices.IsSortedFunc(s, ascending) {
		slices.SortFunc(s, ascending)
	}
	out := s[:0]
	for _, r := range s {
		out = out.add(r)
	}
	return out
}

// ParseSet reads a set such as "1:3,7". A "*" is malformed, since a server's
// answer must say what it means, and so are a zero and a set of more than a
// million ranges.
func ParseSet(b []byte) (Set, error) { return parseSet(b, maxRanges) }

func parseSet(b []byte, ranges int) (Set, error) {
	var s Set
	for len(b) > 0 || s == nil {
		var word []byte
		word, b, _ = bytes.Cut(b, []byte(","))
		first, last, isRange := bytes.Cut(word, []byte(":"))
		r, ok := parseRange(first, last, isRange)
		if !ok {
			return nil, malformed("a set of numbers")
		}
		if s = s.add(r); len(s) > ranges {
			return nil, malformed("a set of too many ranges")
		}
	}
	return s.normal(), nil
}

func parseRange(first, last []byte, isRange bool) (Range, bool) {
	a, ok1 := parseNumber(first)
	b, ok2 := a, ok1
	if isRange {
		b, ok2 = parseNumber(last)
	}
	if a > b {
		a, b = b, a
	}
	ok := ok1 && ok2 && a > 0 && b <= math.MaxUint32
	return Range{uint32(a), uint32(b)}, ok
}

// Len is the number of UIDs in s.
func (s Set) Len() uint64 {
	var n uint64
	for _, r := range s {
		n += uint64(r.Last-r.First) + 1
	}
	return n
}

// Has reports whether uid is in s.
func (s Set) Has(uid uint32) bool {
	i := sort.Search(len(s), func(i int) bool { return s[i].Last >= uid })
	return i < len(s) && s[i].First <= uid
}

// All yields the UIDs in ascending order, one by one. There may be very many.
func (s Set) All() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for _, r := range s {
			for u := uint64(r.First); u <= uint64(r.Last); u++ {
				if !yield(uint32(u)) {
					return
				}
			}
		}
	}
}

// String is the set as a command takes it; "" if it is empty.
func (s Set) String() string {
	var b []byte
	for i, r := range s {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(r.First), 10)
		if r.Last > r.First {
			b = append(b, ':')
			b = strconv.AppendUint(b, uint64(r.Last), 10)
		}
	}
	return string(b)
}

// Numbers are what a SEARCH or ESEARCH response has found, in linear time and
// without expanding ranges. An ESEARCH without ALL has found nothing. The error
// is ErrMalformed.
func (r *Response) Numbers() (Set, error) {
	text := r.Text()
	if r.Name == "ESEARCH" {
		v, err := r.Args()
		if err != nil {
			return nil, err
		}
		isAll := false
		for e := range v.All() {
			if isAll {
				return ParseSet(e.Bytes())
			}
			isAll = e.Kind() == AtomKind && bytes.EqualFold(e.Bytes(), []byte("ALL"))
		}
		return nil, nil
	}
	var s Set
	for len(text) > 0 {
		if text[0] == '(' { // (MODSEQ n), RFC 7162
			break
		}
		word, next := cutWord(text, 0)
		n, ok := parseNumber(word)
		if !ok || n == 0 || n > math.MaxUint32 {
			return nil, malformed("a search result that is no number")
		}
		s = s.add(Range{uint32(n), uint32(n)})
		text = text[next:]
	}
	return s.normal(), nil
}
