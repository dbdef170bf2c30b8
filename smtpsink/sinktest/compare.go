package sinktest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"
)

// expected is a message that must be, or may be, at the server in the end.
type expected struct {
	what   string
	from   string
	to     []string // sorted
	size   int64
	digest [sha256.Size]byte
	raw    []byte // nil if it is large
	may    bool
}

// expect says that a message must arrive.
func (t *tester) expect(what, from string, to []string, raw []byte) {
	t.add(&expected{what: what, raw: raw}, from, to, bytes.NewReader(raw))
}

// allow says that a message may arrive.
func (t *tester) allow(what, from string, to []string, raw []byte) {
	t.add(&expected{what: what, raw: raw, may: true}, from, to, bytes.NewReader(raw))
}

func (t *tester) add(e *expected, from string, to []string, body io.Reader) {
	h := sha256.New()
	e.size, _ = io.Copy(h, body)
	h.Sum(e.digest[:0])
	e.from, e.to = from, slices.Sorted(slices.Values(to))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.want = append(t.want, *e)
}

// compare waits for the server and compares what it took with what was expected.
func (t *tester) compare() {
	if t.h.Settle != nil {
		t.h.Settle()
	}
	if t.lenient {
		return
	}
	came := slices.Clone(t.h.Delivered())
	for i := range came {
		came[i].To = slices.Sorted(slices.Values(came[i].To))
	}
	var missing []expected
	for _, e := range t.want {
		if !e.take(&came) && !e.may {
			missing = append(missing, e)
		}
	}
	for _, e := range missing {
		t.Errorf("%s: did not arrive as it should%s", e.what, e.nearest(came))
	}
	if n := len(came) - len(missing); n > 0 {
		t.Errorf("%d messages arrived that should not, such as one from %q to %.100q: %.300q", n, came[0].From, came[0].To, came[0].Body)
	}
}

// take removes the delivery of e, or its deliveries to one recipient each.
func (e *expected) take(came *[]Delivery) bool {
	if i := slices.IndexFunc(*came, func(d Delivery) bool { return slices.Equal(d.To, e.to) && e.is(&d) }); i >= 0 {
		*came = slices.Delete(*came, i, i+1)
		return true
	}
	rest := slices.Clone(*came)
	for _, to := range e.to {
		i := slices.IndexFunc(rest, func(d Delivery) bool { return len(d.To) == 1 && d.To[0] == to && e.is(&d) })
		if i < 0 {
			return false
		}
		rest = slices.Delete(rest, i, i+1)
	}
	*came = rest
	return true
}

func (e *expected) is(d *Delivery) bool {
	return d.From == e.from && int64(len(d.Body)) == e.size && sha256.Sum256(d.Body) == e.digest
}

// nearest says how what came for the same recipients differs.
func (e *expected) nearest(came []Delivery) string {
	for _, d := range came {
		switch {
		case !slices.Equal(d.To, e.to):
			continue
		case d.From != e.from:
			return fmt.Sprintf(": it is from %q, want %q", d.From, e.from)
		case e.raw == nil:
			return fmt.Sprintf(": it has %d octets, want %d, or differs in them", len(d.Body), e.size)
		}
		return ": " + difference(d.Body, e.raw)
	}
	var to []string
	for _, d := range came {
		to = append(to, fmt.Sprintf("%.100q", d.To))
	}
	return fmt.Sprintf(": it should be for %.100q, and there are messages for %s", e.to, strings.Join(to, ", "))
}

// difference says where two messages differ.
func difference(got, want []byte) string {
	n := 0
	for n < len(got) && n < len(want) && got[n] == want[n] {
		n++
	}
	from := max(n-20, 0)
	return fmt.Sprintf("of %d octets the first that differs is %d, in %.60q; want %d octets, and there %.60q",
		len(got), n, got[from:], len(want), want[from:])
}
