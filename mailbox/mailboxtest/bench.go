package mailboxtest

import (
	"context"
	"io"
	"testing"

	"github.com/postroom-go/postroom/mailbox"
)

// benchMessages is how many messages the benchmarks list and fetch.
const benchMessages = 500

// RunBenchmarks measures a driver on accounts of its Config, as sub-benchmarks:
// list (500 summaries), list-ids (500 IDs), open (a small message), open-large
// (3 MiB), fetch (500 small messages) and part (one of a message of 3 MiB).
// They report allocations and octets; what crosses the wire is for the driver's
// own benchmarks to say.
func RunBenchmarks(b *testing.B, cfg Config) {
	for _, m := range []struct {
		name string
		run  func(b *testing.B, cfg *Config)
	}{
		{"list", func(b *testing.B, cfg *Config) { benchList(b, cfg, 0) }},
		{"list-ids", func(b *testing.B, cfg *Config) { benchList(b, cfg, mailbox.FieldsNone) }},
		{"open", func(b *testing.B, cfg *Config) { benchOpen(b, cfg, numbered(0)) }},
		{"open-large", func(b *testing.B, cfg *Config) { benchOpen(b, cfg, largeSeed(largeSize)) }},
		{"fetch", benchFetch},
		{"part", benchPart},
	} {
		b.Run(m.name, func(b *testing.B) { m.run(b, &cfg) })
	}
}

// benchAccount is an account with these messages in INBOX, and their IDs.
func benchAccount(b *testing.B, cfg *Config, raws ...[]byte) (mailbox.Mailbox, []mailbox.ID) {
	b.Helper()
	inst := cfg.New(b)
	if problems := cfg.instanceProblems(inst); len(problems) > 0 {
		b.Fatal(problems)
	}
	var ids []mailbox.ID
	t := &tester{ctx: b.Context(), caps: cfg.Caps, inst: inst, box: inst.Box, opened: []mailbox.Mailbox{inst.Box}}
	b.Cleanup(t.closeAll)
	for _, text := range t.run(func(t *tester) {
		defer t.catch()
		t.deliver(mailbox.Inbox, raws...)
		ids = t.ids(mailbox.Inbox)
	}) {
		b.Fatal(text)
	}
	if len(ids) != len(raws) {
		b.Fatalf("INBOX lists %d messages, want %d", len(ids), len(raws))
	}
	return t.box, ids
}

// benchRaws are the small messages of a benchmark, and their octets.
func benchRaws() (raws [][]byte, octets int64) {
	for i := range benchMessages {
		raws = append(raws, numbered(i))
		octets += int64(len(raws[i]))
	}
	return raws, octets
}

func benchList(b *testing.B, cfg *Config, fields mailbox.Fields) {
	raws, _ := benchRaws()
	mb, ids := benchAccount(b, cfg, raws...)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range mb.List(b.Context(), mailbox.Inbox, &mailbox.ListOptions{Fields: fields}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != len(ids) {
			b.Fatalf("%d messages are listed, want %d", n, len(ids))
		}
	}
	b.ReportMetric(benchMessages, "messages/op")
}

func benchOpen(b *testing.B, cfg *Config, raw []byte) {
	mb, ids := benchAccount(b, cfg, raw)
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		drain(b, int64(len(raw)), func(ctx context.Context) (io.ReadCloser, error) { return mb.Open(ctx, ids[0], nil) })
	}
}

func benchFetch(b *testing.B, cfg *Config) {
	raws, octets := benchRaws()
	mb, ids := benchAccount(b, cfg, raws...)
	b.ReportAllocs()
	b.SetBytes(octets)
	for b.Loop() {
		var n int64
		for m, err := range mailbox.Fetch(b.Context(), mb, ids, nil) {
			if err != nil {
				b.Fatal(err)
			}
			k, err := io.Copy(io.Discard, m.Body)
			if err != nil {
				b.Fatal(err)
			}
			n += k
		}
		if n != octets {
			b.Fatalf("%d octets were fetched, want %d", n, octets)
		}
	}
	b.ReportMetric(benchMessages, "messages/op")
}

func benchPart(b *testing.B, cfg *Config) {
	raw, want := largeMultipart()
	mb, ids := benchAccount(b, cfg, raw)
	b.ReportAllocs()
	b.SetBytes(want)
	for b.Loop() {
		drain(b, want, func(ctx context.Context) (io.ReadCloser, error) { return mailbox.OpenPart(ctx, mb, ids[0], "2", nil) })
	}
}

// largeMultipart is a message of 3 MiB with a small part 2, and the octets of
// that part.
func largeMultipart() (raw []byte, octets int64) {
	const text = "A small part behind a large one."
	raw = append(crlf("Subject: Parts", "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b", "", "--b", ""), largeSeed(largeSize)...)
	return append(raw, crlf("--b", "Content-Type: text/plain", "", text, "--b--")...), int64(len(text))
}

// drain opens, reads and closes, and checks the number of octets.
func drain(b *testing.B, want int64, open func(ctx context.Context) (io.ReadCloser, error)) {
	r, err := open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	n, err := io.Copy(io.Discard, r)
	if cerr := r.Close(); err != nil || cerr != nil || n != want {
		b.Fatalf("%d octets were read, want %d: %v, %v", n, want, err, cerr)
	}
}
