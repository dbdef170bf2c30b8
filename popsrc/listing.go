package popsrc

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"

	"github.com/postroom-go/postroom/mailbox"
)

// maxUIDL is how long a UIDL may be: RFC 1939 allows 70 octets, servers send
// more.
const maxUIDL = 512

// entry is one message of a session's maildrop.
type entry struct {
	num  int   // its number in this session
	size int64 // as LIST says; -1 if it does not
	uidl string
	// stable: the UIDL names this message and no other. Else the message has
	// an ID for this session only.
	stable bool
}

// listing is what a maildrop holds. It cannot change while the session lasts:
// the maildrop is locked (RFC 1939 section 3).
type listing struct {
	epoch   string // names the session, for IDs that hold no longer than it
	entries []entry
	byUIDL  map[string]int // places in entries; -1 if ambiguous
	uidl    bool           // the server has UIDL
}

// makeListing puts the answers to UIDL and LIST together. What only one of them
// has is listed all the same: it is a message. They are in ascending order
// nearly always; a number that comes twice counts once.
func makeListing(uidls, sizes []entry, hasUIDL bool) *listing {
	l := &listing{epoch: rand.Text(), uidl: hasUIDL}
	uidls, sizes = inOrder(uidls), inOrder(sizes)
	l.entries = make([]entry, 0, max(len(uidls), len(sizes)))
	for len(uidls) > 0 || len(sizes) > 0 {
		switch {
		case len(sizes) == 0 || len(uidls) > 0 && uidls[0].num < sizes[0].num:
			l.entries, uidls = append(l.entries, uidls[0]), uidls[1:]
		case len(uidls) == 0 || sizes[0].num < uidls[0].num:
			l.entries, sizes = append(l.entries, sizes[0]), sizes[1:]
		default:
			e := uidls[0]
			e.size = sizes[0].size
			l.entries, uidls, sizes = append(l.entries, e), uidls[1:], sizes[1:]
		}
	}
	l.index()
	return l
}

// index finds the UIDLs that name one message only.
func (l *listing) index() {
	if !l.uidl {
		return
	}
	l.byUIDL = make(map[string]int, len(l.entries))
	for i, e := range l.entries {
		if e.uidl == "" {
			continue
		}
		if _, twice := l.byUIDL[e.uidl]; twice {
			i = -1
		}
		l.byUIDL[e.uidl] = i
	}
	for i := range l.entries {
		e := &l.entries[i]
		e.stable = e.uidl != "" && l.byUIDL[e.uidl] >= 0
	}
}

func inOrder(all []entry) []entry {
	byNum := func(a, b entry) int { return a.num - b.num }
	if !slices.IsSortedFunc(all, byNum) {
		slices.SortStableFunc(all, byNum)
	}
	return slices.CompactFunc(all, func(a, b entry) bool { return a.num == b.num })
}

// id gives a message its ID: by its UIDL, which holds for ever, else by its
// number, which holds for this session.
func (l *listing) id(e entry) mailbox.ID {
	if e.stable {
		return mailbox.NewID(mailbox.Inbox, "", e.uidl)
	}
	return mailbox.NewID(mailbox.Inbox, l.epoch, strconv.Itoa(e.num))
}

// defects tells why a message has no stable ID.
func (l *listing) defects(e entry) []mailbox.Defect {
	switch {
	case e.stable || !l.uidl:
		return nil
	case e.uidl == "":
		return []mailbox.Defect{"no-uidl"}
	}
	return []mailbox.Defect{"duplicate-uidl"}
}

// find gives the message of an ID. The errors are mailbox.ErrStale and
// ErrNotFound.
func (l *listing) find(id mailbox.ID) (entry, error) {
	switch {
	case id.Folder() != mailbox.Inbox:
		return entry{}, mailbox.ErrNotFound
	case id.Epoch() == l.epoch:
		return l.byNumber(id.Key())
	case id.Epoch() != "" || id.Key() == "":
		return entry{}, mailbox.ErrStale
	}
	i, ok := l.byUIDL[id.Key()]
	switch {
	case !l.uidl:
		return entry{}, mailbox.ErrStale
	case !ok:
		return entry{}, mailbox.ErrNotFound
	case i < 0:
		return entry{}, fmt.Errorf("%w: several messages have this UIDL now", mailbox.ErrStale)
	}
	return l.entries[i], nil
}

// byNumber finds what has no UIDL of its own, by the key that id gave it.
func (l *listing) byNumber(key string) (entry, error) {
	num, err := strconv.Atoi(key)
	if err != nil || strconv.Itoa(num) != key {
		return entry{}, mailbox.ErrNotFound
	}
	i, ok := slices.BinarySearchFunc(l.entries, num, func(e entry, num int) int { return e.num - num })
	if !ok || l.entries[i].stable {
		return entry{}, mailbox.ErrNotFound
	}
	return l.entries[i], nil
}

// uidlParser reads the lines of UIDL, "number uidl" (RFC 1939 section 7). All
// UIDLs share one string in the end.
type uidlParser struct {
	text []byte
	all  []entry
	ends []int // of each UIDL in text
}

// add takes a line. Several spaces, and a +OK before the number, are seen in
// the wild; a UIDL that is too long to be one is as good as none.
func (p *uidlParser) add(line []byte) {
	num, rest, ok := numbered(line)
	if !ok {
		return
	}
	if len(rest) <= maxUIDL {
		p.text = append(p.text, rest...)
	}
	p.all = append(p.all, entry{num: num, size: -1})
	p.ends = append(p.ends, len(p.text))
}

func (p *uidlParser) entries() []entry {
	text, start := string(p.text), 0
	for i, end := range p.ends {
		p.all[i].uidl = text[start:end]
		start = end
	}
	return p.all
}

// sizeParser reads the lines of LIST, "number size".
type sizeParser struct{ all []entry }

func (p *sizeParser) add(line []byte) {
	num, rest, ok := numbered(line)
	if !ok {
		return
	}
	if i := bytes.IndexAny(rest, " \t"); i >= 0 {
		rest = rest[:i]
	}
	size, ok := decimal(rest)
	if !ok {
		size = -1
	}
	p.all = append(p.all, entry{num: num, size: size})
}

// numbered takes the message number off a line of a listing. A line that has
// none is left out: it names no message that could be asked for.
func numbered(line []byte) (num int, rest []byte, ok bool) {
	line = bytes.TrimLeft(bytes.TrimPrefix(line, []byte("+OK ")), " \t")
	i := 0
	for i < len(line) && '0' <= line[i] && line[i] <= '9' {
		i++
	}
	n, ok := decimal(line[:i])
	if !ok || n == 0 || n > 1<<31-1 || i < len(line) && line[i] != ' ' && line[i] != '\t' {
		return 0, nil, false
	}
	return int(n), bytes.TrimLeft(line[i:], " \t"), true
}

// decimal reads digits only, up to 18 of them.
func decimal(p []byte) (int64, bool) {
	if len(p) == 0 || len(p) > 18 {
		return 0, false
	}
	var n int64
	for _, c := range p {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
