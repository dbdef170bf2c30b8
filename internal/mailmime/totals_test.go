package mailmime

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

// kept counts what the tree of a message holds, and the parts of its root.
type kept struct{ fields, params, addresses, parts int }

func (k *kept) add(p *Part, lim *Limits) {
	k.params += len(p.Params) + len(p.DispositionParams) + len(p.Language)
	if p.Header != nil {
		k.fields += len(p.Header.Fields)
		for _, name := range addressFields {
			for _, v := range p.Header.Values(name) {
				list, _ := ParseAddressList(v, nil, lim)
				k.addresses += len(list)
			}
		}
		k.addresses += len(ParseMsgIDs(p.Header.Get("In-Reply-To")))
	}
	for _, c := range p.Parts {
		k.add(c, lim)
	}
}

// held gives how many octets of memory a structure holds on to.
func held(t *testing.T, r io.Reader, lim *Limits) (n int64, k kept, defects string) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	p, defects := structure(t, r, lim)
	runtime.GC()
	runtime.ReadMemStats(&after)
	k.add(p, lim)
	k.parts = len(p.Parts)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc), k, defects
}

// parts gives a message of n parts that are all alike, without holding it.
func parts(n int, part string) io.Reader {
	all := []io.Reader{strings.NewReader("Content-Type: multipart/mixed; boundary=b\r\n\r\n")}
	for range n {
		all = append(all, strings.NewReader("\r\n--b\r\n"), strings.NewReader(part))
	}
	return io.MultiReader(all...)
}

// params gives a header field with n parameters.
func params(field string, n int) string {
	var b strings.Builder
	b.WriteString(field)
	for i := range n {
		fmt.Fprintf(&b, ";%d=", i)
	}
	return b.String() + "\n"
}

// hostileTotals has messages of many parts, each part within the limits.
func hostileTotals(t *testing.T) {
	const inner = "Content-Type: message/rfc822\n\n"
	to := "To: " + strings.Repeat("a@b,", 9_998) + "a@b\n"
	for _, c := range []struct {
		name   string
		n      int
		part   string
		most   int64 // octets of memory
		limit  kept
		defect string
	}{
		{"fields", 17, inner + strings.Repeat("a:\n", 10_000), 8 << 20, kept{fields: 160_000}, DefectTotals},
		{"params", 510, params("Content-Type: a/b", 100) + params("Content-Disposition: x", 100) + "\n", 12 << 20,
			kept{params: 100_000}, DefectParams},
		{"languages", 1_100, "Content-Language: " + strings.Repeat("a,", 100) + "\n\n", 4 << 20, kept{params: 100_000}, DefectParams},
		{"addresses", 6, inner + to + to, 2 << 20, kept{addresses: 100_000}, DefectTotals},
		{"groups", 11, inner + strings.ReplaceAll(to, "a@b,", "a;b,"), 2 << 20, kept{addresses: 100_000}, DefectTotals},
		{"message ids", 11, inner + "In-Reply-To: " + strings.Repeat("<a>", 20_000) + "\n", 2 << 20, kept{addresses: 100_000}, DefectTotals},
	} {
		t.Run(c.name, func(t *testing.T) {
			over := func(k kept) bool {
				return c.limit.fields > 0 && k.fields > c.limit.fields || c.limit.params > 0 && k.params > c.limit.params ||
					c.limit.addresses > 0 && k.addresses > c.limit.addresses
			}
			n, k, defects := held(t, parts(c.n, c.part), nil)
			// What is kept does not change where the parts are.
			if n > c.most || over(k) || k.parts != c.n || !strings.Contains(defects, c.defect) {
				t.Errorf("%d octets of memory, %+v, defects %s", n, k, defects)
			}
			_, k, defects = held(t, parts(c.n, c.part), all)
			if !over(k) || strings.Contains(defects, c.defect) {
				t.Errorf("the control keeps %+v, defects %s", k, defects)
			}
		})
	}
}

func TestTotals(t *testing.T) {
	const in = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822; a=b\n\nTo: a@b, c@d\nSubject: x\n\n\n" +
		"--b\nContent-Type: message/rfc822; a=b\n\nSubject: y\nTo: e@f\n\n\n--b--\n"
	for _, c := range []struct {
		lim    *Limits
		want   kept
		defect string
	}{
		{&Limits{TotalFields: 4, TotalParams: 3, TotalAddresses: 3}, kept{4, 3, 3, 0}, ""},
		{&Limits{TotalFields: 3}, kept{3, 3, 2, 0}, DefectTotals},
		{&Limits{TotalParams: 2}, kept{4, 2, 3, 0}, DefectParams},
		{&Limits{TotalAddresses: 2}, kept{3, 3, 2, 0}, DefectTotals},
		{&Limits{TotalAddresses: 1}, kept{3, 3, 1, 0}, DefectTotals},
	} {
		p, defects := structure(t, strings.NewReader(in), c.lim)
		var k kept
		k.add(p, c.lim)
		if k != c.want || defects != c.defect {
			t.Errorf("%+v: kept %+v, want %+v; defects %q", *c.lim, k, c.want, defects)
		}
	}
}
