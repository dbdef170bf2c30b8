package imapsrc

import (
	"errors"
	"io"

	"github.com/postroom-go/postroom/internal/imapwire"
	"github.com/postroom-go/postroom/mailbox"
)

// underway are the FETCH commands of a list that were sent and not yet read.
type underway struct {
	all []running
	n   int // messages asked for
}

// maxAsked bounds the octets of commands under way: a server that does not read
// while it cannot write must not keep us from reading.
const maxAsked = 16 << 10

func (w *underway) asked() int {
	n := 0
	for _, r := range w.all {
		n += len(r.set) + 100
	}
	return n
}

type running struct {
	*rows
	cmd *imapwire.Command
}

// pop reads the answers to the command at the head, and takes it off.
func (w *underway) pop() (*rows, error) {
	all := make([]*rows, len(w.all))
	for i, r := range w.all {
		all[i] = r.rows
	}
	cmd := w.all[0].cmd
	w.all = w.all[1:]
	w.n -= len(all[0].nums)
	return all[0], read(cmd, all...)
}

// leave skips what is under way, or drops the session if that is not worth it.
func (w *underway) leave(s *session) error {
	if len(w.all) == 0 {
		return nil
	}
	last, n := w.all[len(w.all)-1].cmd, w.n
	w.all, w.n = nil, 0
	if n > drainAtMost {
		s.drop(errYield)
		return errYield
	}
	_, err := last.Wait()
	var status *imapwire.Status
	if errors.As(err, &status) {
		return nil
	}
	return err
}

// ask sends as many commands as should be under way.
func (l *lister) ask(s *session, way *underway) error {
	limit := firstFlight
	switch {
	case l.plan.careful():
		limit = 1
	case l.flight > 0:
		limit = l.flight
	case len(l.sent.all) > firstBatch:
		limit = laterFlight
	}
	if len(way.all) > limit/2 {
		return nil
	}
	for len(way.all) < limit && way.n < l.plan.left() && way.asked() < maxAsked {
		b := l.plan.peek(way.n)
		cmd, err := s.fetch(b.set, l.plan.byUID, fetchItems(l.fields, b.level))
		if err != nil {
			return err
		}
		way.all = append(way.all, running{newRows(b, l.plan.byUID, l.fields), cmd})
		way.n += len(b.nums)
	}
	return s.wire.Flush()
}

// fetch starts a FETCH or UID FETCH.
func (s *session) fetch(set string, byUID bool, items string) (*imapwire.Command, error) {
	name := "FETCH"
	if byUID {
		name = "UID FETCH"
	}
	return s.wire.Start(name, imapwire.Raw(set), imapwire.Raw(items))
}

// next reads the batch at the head, and asks again for what is missing in it or
// could not be read.
func (l *lister) next(s *session, way *underway) (*rows, error) {
	rs, err := way.pop()
	err = s.reason(err, phaseOther)
	if err != nil && !refused(err) {
		return nil, err
	}
	if rs.whole() || l.m.opts.test.noRefetch {
		return rs, nil
	}
	l.flight = 2 // what is under way behind it was asked for in vain
	if err := way.leave(s); err != nil {
		return nil, err
	}
	return rs, l.repair(s, rs)
}

// repair asks once more, in one command, for the messages that are missing, and
// then whether they exist. Those that do, and those whose answers could not be
// read, are asked for one by one, for less each time.
func (l *lister) repair(s *session, rs *rows) error {
	gone := func(w *row) bool { return w.sum == nil || w.uid == 0 }
	if missing := rs.pick(gone); len(missing) > 0 {
		if err := l.again(s, rs, missing, rs.level); err != nil {
			return err
		}
	}
	if missing := rs.pick(gone); len(missing) > 0 {
		if err := l.again(s, rs, missing, levelIDOnly); err != nil {
			return err
		}
		rs.doubt(missing)
	}
	for level := rs.level; level < levels && !l.m.opts.test.noDegrade; level++ {
		for _, n := range rs.pick(func(w *row) bool { return !gone(w) && !w.whole(rs.fields) }) {
			l.m.logf("asking again for a message", "folder", l.folder, "number", n, "level", level)
			if err := l.again(s, rs, []uint32{n}, level); err != nil {
				return err
			}
		}
	}
	return nil
}

// again asks again for some of the messages of rs.
func (l *lister) again(s *session, rs *rows, nums []uint32, level int) error {
	for len(nums) > 0 {
		b := batch{level: level}
		b.nums, nums, b.set = chunk(nums, batchSize)
		cmd, err := s.fetch(b.set, rs.byUID, fetchItems(l.fields, level))
		if err != nil {
			return err
		}
		fresh := newRows(b, rs.byUID, l.fields)
		if err := s.reason(read(cmd, fresh), phaseOther); err != nil && !refused(err) {
			return err
		}
		rs.adopt(fresh)
	}
	return nil
}

// accept makes summaries of a batch, in the order of the list, and takes the
// batch off the plan.
func (l *lister) accept(rs *rows) []*mailbox.Summary {
	sums := make([]*mailbox.Summary, 0, len(rs.all))
	for i := range rs.all {
		w := &rs.all[i]
		if l.plan.reverse {
			w = &rs.all[len(rs.all)-1-i]
		}
		if w.sum == nil || w.uid == 0 || !l.sent.add(w.uid) {
			continue
		}
		w.sum.ID = l.ids.id(w.uid)
		if !w.whole(l.fields) && !l.m.opts.test.noDegrade {
			w.sum.Defects = appendNew(w.sum.Defects, "summary: unreadable")
		}
		l.culprit = 0
		if len(w.sum.Defects) > 0 {
			l.m.logf("message has defects", "id", w.sum.ID.String(), "defects", w.sum.Defects)
		}
		sums = append(sums, w.sum)
	}
	l.plan.done(len(rs.nums))
	return sums
}

// sentUIDs remembers what was sent, so that nothing is sent twice. As long as
// the UIDs rise or fall, as they do, that costs nothing but their space.
type sentUIDs struct {
	all  []uint32
	odd  map[uint32]bool // all of them, once they did neither
	down bool
}

// add gives false if uid was sent before.
func (u *sentUIDs) add(uid uint32) bool {
	if n := len(u.all); u.odd == nil && n > 0 {
		last := u.all[n-1]
		if n == 1 {
			u.down = uid < last
		}
		if uid == last || u.down != (uid < last) {
			u.odd = map[uint32]bool{}
			for _, v := range u.all {
				u.odd[v] = true
			}
		}
	}
	if u.odd != nil {
		if u.odd[uid] {
			return false
		}
		u.odd[uid] = true
	}
	u.all = append(u.all, uid)
	return true
}

// searchUIDs gives the UIDs from first to last that exist.
func (s *session) searchUIDs(first, last uint32) ([]uint32, error) {
	set := imapwire.Set{{First: first, Last: last}}.String()
	cmd, err := s.wire.Start("UID SEARCH", imapwire.Raw("UID "+set))
	if err != nil {
		return nil, err
	}
	var uids []uint32
	for {
		r, err := cmd.Next()
		if err == io.EOF {
			return uids, nil
		}
		if err != nil {
			return nil, err
		}
		if r.Name != "SEARCH" && r.Name != "ESEARCH" {
			continue
		}
		found, err := r.Numbers()
		if err != nil {
			return nil, err
		}
		if found.Len() > uint64(s.sel.exists)+maxSurplus {
			return nil, s.net.Fail(&protocolError{"SEARCH found more messages than there are"})
		}
		for uid := range found.All() {
			if uid >= first && uid <= last {
				uids = append(uids, uid)
			}
		}
	}
}

// maxSurplus is by how much a SEARCH may find more than EXISTS said: messages
// arrive.
const maxSurplus = 100_000
