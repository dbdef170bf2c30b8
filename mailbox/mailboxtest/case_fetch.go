package mailboxtest

import (
	"bytes"
	"io"
	"slices"

	"github.com/postroom-go/postroom/mailbox"
)

func fetchCases() []testCase {
	return []testCase{
		{"fetch/exact", "Fetch yields exactly the messages named, each once, in any order.", nil, fetchExact},
		{"fetch/bodies", "A body of Fetch is what Open gives.", nil, fetchBodies},
		{"fetch/many", "A long Fetch is complete.", nil, fetchMany},
		{"fetch/repeats", "An ID that is named twice is yielded once.", nil, fetchRepeats},
		{"fetch/none", "No IDs yield nothing.", nil, fetchNone},
		{"fetch/gone", "Messages that are gone are left out.", nil, fetchGone},
		{"fetch/discard", "What was not read of a body is discarded when the loop goes on.", nil, fetchDiscard},
		{"fetch/after-the-loop", "A body is good until the loop goes on; then it gives no octets of another message.", nil, fetchAfter},
		{"fetch/break", "Leaving the loop in the middle of a body needs no clean-up.", nil, fetchBreak},
		{"fetch/fields", "Message.Summary holds the fields asked for, by default those that cost nothing.", nil, fetchFields},
		{"fetch/sizes", "FetchOptions.Sizes that are wrong, too few or too many do no harm.", nil, fetchSizes},
		{"fetch/folders", "IDs may be of several folders.", []string{"folders", "CreateFolder"}, fetchFolders},
		{"fetch/again", "The sequence can be ranged over twice.", nil, fetchAgain},
	}
}

// fetch reads the messages named, whole; an error ends the case.
func (t *tester) fetch(ids []mailbox.ID) map[mailbox.ID][]byte {
	got := map[mailbox.ID][]byte{}
	for m, err := range mailbox.Fetch(t.ctx, t.box, ids, nil) {
		t.must("Fetch", err)
		raw, err := io.ReadAll(m.Body)
		t.must("reading a body", err)
		if _, again := got[m.ID]; again {
			t.Errorf("%v is yielded twice", m.ID)
		}
		got[m.ID] = raw
	}
	return got
}

// wantFetch checks that Fetch of some IDs yields exactly the numbered messages
// that stand in want.
func (t *tester) wantFetch(ids []mailbox.ID, want map[mailbox.ID]int) {
	got := t.fetch(ids)
	if len(got) != len(want) {
		t.Errorf("%d messages are yielded, want %d", len(got), len(want))
	}
	for id, n := range want {
		if raw, ok := got[id]; !ok {
			t.Errorf("%v is missing", id)
		} else {
			t.same("a fetched message", raw, numbered(n))
		}
	}
}

func fetchExact(t *tester) {
	ids := t.fill(6)
	t.wantFetch(ids[2:3], map[mailbox.ID]int{ids[2]: 2})
	t.wantFetch([]mailbox.ID{ids[4], ids[0], ids[3]}, map[mailbox.ID]int{ids[4]: 4, ids[0]: 0, ids[3]: 3})
	all := map[mailbox.ID]int{}
	for i, id := range ids {
		all[id] = i
	}
	t.wantFetch(reversed(ids), all)
}

func fetchBodies(t *tester) {
	var raws [][]byte
	for _, s := range t.seeds {
		raws = append(raws, s.raw)
	}
	t.deliver(mailbox.Inbox, raws...)
	ids := t.ids(mailbox.Inbox)
	got := t.fetch(ids)
	for _, id := range ids {
		t.same("a fetched message", got[id], t.read(id))
	}
}

func fetchMany(t *tester) {
	ids := t.fill(t.many() / 2)
	want := map[mailbox.ID]int{}
	for i, id := range ids {
		if i%3 != 1 {
			want[id] = i
		}
	}
	some := slices.DeleteFunc(slices.Clone(ids), func(id mailbox.ID) bool { _, ok := want[id]; return !ok })
	t.wantFetch(some, want)
}

func fetchRepeats(t *tester) {
	ids := t.fill(2)
	t.wantFetch([]mailbox.ID{ids[1], ids[0], ids[1], ids[1]}, map[mailbox.ID]int{ids[0]: 0, ids[1]: 1})
}

func fetchNone(t *tester) {
	t.fill(2)
	for _, ids := range [][]mailbox.ID{nil, {}} {
		if got := t.fetch(ids); len(got) > 0 {
			t.Errorf("Fetch of no IDs yields %d messages", len(got))
		}
	}
}

func fetchGone(t *tester) {
	ids := t.fill(3)
	unknown := unknownID(ids[1])
	t.wantFetch([]mailbox.ID{unknown}, nil)
	t.wantFetch([]mailbox.ID{ids[0], unknown, ids[2]}, map[mailbox.ID]int{ids[0]: 0, ids[2]: 2})
	if t.caps.Delete {
		t.must("Delete", t.box.Delete(t.ctx, ids[:1], nil))
		t.wantFetch(ids, map[mailbox.ID]int{ids[1]: 1, ids[2]: 2})
	}
}

func fetchDiscard(t *tester) {
	large := t.large
	t.deliver(mailbox.Inbox, numbered(0), large, numbered(2), large, numbered(4))
	ids := t.ids(mailbox.Inbox)
	octets := map[mailbox.ID]int64{ids[1]: 5, ids[3]: int64(len(large)) / 30}
	seen := 0
	for m, err := range mailbox.Fetch(t.ctx, t.box, ids, nil) {
		t.must("Fetch", err)
		seen++
		n := slices.Index(ids, m.ID)
		if part, ok := octets[m.ID]; ok {
			_, err := io.CopyN(io.Discard, m.Body, part)
			t.must("reading the beginning of a body", err)
			continue
		}
		raw, err := io.ReadAll(m.Body)
		t.must("reading a body", err)
		t.same("the message after one that was not read", raw, numbered(n))
	}
	if seen != len(ids) {
		t.Errorf("%d messages are yielded, want %d", seen, len(ids))
	}
}

func fetchAfter(t *tester) {
	var raws [][]byte
	for i := range 4 {
		raws = append(raws, bytes.Repeat(numbered(i), t.size/3000))
	}
	t.deliver(mailbox.Inbox, raws...)
	ids := t.ids(mailbox.Inbox)
	type kept struct {
		body io.Reader
		rest []byte
	}
	var all []kept
	check := func() {
		for _, k := range all {
			got, _ := io.ReadAll(k.body)
			if !bytes.HasPrefix(k.rest, got) {
				t.Errorf("the body of a message that is over gives %d octets that are not its own: %.60q", len(got), got)
			}
		}
	}
	for m, err := range mailbox.Fetch(t.ctx, t.box, ids, nil) {
		t.must("Fetch", err)
		check()
		_, err := io.CopyN(io.Discard, m.Body, 10)
		t.must("reading the beginning of a body", err)
		if i := slices.Index(ids, m.ID); i >= 0 {
			all = append(all, kept{m.Body, raws[i][10:]})
		}
	}
	check()
}

func fetchBreak(t *tester) {
	large := t.large
	t.deliver(mailbox.Inbox, large, numbered(1), large, numbered(3))
	ids := t.ids(mailbox.Inbox)
	for stop := range 3 {
		for m, err := range mailbox.Fetch(t.ctx, t.box, ids, nil) {
			t.must("Fetch", err)
			_, err := io.CopyN(io.Discard, m.Body, 7)
			t.must("reading the beginning of a body", err)
			if stop--; stop < 0 {
				break
			}
		}
		t.wantIDs(mailbox.Inbox, ids...)
		t.same("a message, after a Fetch that was left", t.read(ids[3]), numbered(3))
	}
}

func fetchFields(t *tester) {
	ids := t.fill(2)
	for _, fields := range fieldSets() {
		asked := (&mailbox.FetchOptions{Fields: fields}).Wanted()
		want := asked & told(t.caps)
		for m, err := range mailbox.Fetch(t.ctx, t.box, ids, &mailbox.FetchOptions{Fields: fields}) {
			t.must("Fetch", err)
			if m.Summary == nil || !m.Fields.Has(want) {
				t.Fatalf("asked for %b, the summary is %+v", asked, m.Summary)
			}
			for _, problem := range fieldProblems(m.Summary, asked) {
				t.Errorf("asked for %b: %s", asked, problem)
			}
		}
	}
}

func fetchFolders(t *tester) {
	t.must("CreateFolder", t.inst.CreateFolder("Other"))
	t.deliver("Other", numbered(10), numbered(11))
	inbox, other := t.fill(2), t.ids("Other")
	t.wantFetch([]mailbox.ID{inbox[0], other[1], inbox[1], other[0]},
		map[mailbox.ID]int{inbox[0]: 0, inbox[1]: 1, other[0]: 10, other[1]: 11})
}

func fetchAgain(t *tester) {
	ids := t.fill(3)
	seq := mailbox.Fetch(t.ctx, t.box, ids, nil)
	for range 2 {
		all, err := collect(seq)
		t.must("Fetch", err)
		if len(all) != 3 {
			t.Errorf("the sequence yields %d messages, want 3", len(all))
		}
	}
}

func fetchSizes(t *tester) {
	raws := [][]byte{numbered(0), t.large, numbered(2), numbered(3)}
	t.deliver(mailbox.Inbox, raws...)
	ids := t.ids(mailbox.Inbox)
	right := make([]int64, len(raws))
	for i, raw := range raws {
		right[i] = int64(len(raw))
	}
	for what, sizes := range map[string][]int64{
		"right":         right,
		"none":          {},
		"too few":       right[:2],
		"too many":      append(slices.Clone(right), 5, 6),
		"not known":     {0, 0, 0, 0},
		"too small":     {1, 1, 1, 1},
		"too large":     {1 << 30, 1 << 40, 1 << 62, 1<<63 - 1},
		"below zero":    {-1, -1 << 63, -5, -2},
		"of each other": {right[1], right[0], right[3], right[1]},
	} {
		seen := map[mailbox.ID]bool{}
		for m, err := range mailbox.Fetch(t.ctx, t.box, ids, &mailbox.FetchOptions{Sizes: sizes}) {
			t.must("Fetch with sizes that are "+what, err)
			raw, err := io.ReadAll(m.Body)
			t.must("reading a body, the sizes "+what, err)
			i := slices.Index(ids, m.ID)
			if i < 0 || seen[m.ID] {
				t.Fatalf("with sizes that are %s %v is yielded, which was not asked for or came before", what, m.ID)
			}
			seen[m.ID] = true
			t.same("a message fetched with sizes that are "+what, raw, raws[i])
			if m.Fields.Has(mailbox.FieldSize) && m.Size != right[i] && !t.caps.Exclusive {
				t.Errorf("with sizes that are %s the summary has the size %d, want %d", what, m.Size, right[i])
			}
		}
		if len(seen) != len(ids) {
			t.Errorf("with sizes that are %s %d messages are yielded, want %d", what, len(seen), len(ids))
		}
	}
	if !t.caps.Delete {
		return
	}
	t.must("Delete", t.box.Delete(t.ctx, ids[:1], nil))
	t.wantYield(ids, right, ids[1:])
}

// wantYield checks which messages Fetch yields.
func (t *tester) wantYield(ids []mailbox.ID, sizes []int64, want []mailbox.ID) {
	var got []mailbox.ID
	for m, err := range mailbox.Fetch(t.ctx, t.box, ids, &mailbox.FetchOptions{Sizes: sizes}) {
		t.must("Fetch", err)
		got = append(got, m.ID)
	}
	if len(got) != len(want) || slices.ContainsFunc(want, func(id mailbox.ID) bool { return !slices.Contains(got, id) }) {
		t.Errorf("Fetch yields %v, want %v", got, want)
	}
}
