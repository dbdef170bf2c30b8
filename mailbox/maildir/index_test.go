package maildir

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/mailbox"
)

// rich has every field of an envelope and parts within parts.
const rich = "From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>, b@example.org\r\nSender: s@example.org\r\nTo: a@example.org, <<broken\r\n" +
	"Cc: c@example.org\r\nBcc: d@example.org\r\nSubject: Parts\r\nDate: Mon, 02 Mar 2026 09:30:00 -0530\r\nMessage-ID: <1@example.org>\r\n" +
	"In-Reply-To: <0@example.org> <2@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Language: de, en\r\nContent-Description: d\r\n\r\ntext\r\n" +
	"--b\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename=\"a b.eml\"\r\nContent-ID: <x@y>\r\n\r\n" +
	"From: i@example.org\r\nSubject: Inside\r\nDate: Tue, 03 Mar 2026 10:00:00 +0000\r\n\r\nhello\r\n--b--\r\n"

// corpus fills INBOX with messages of all sorts.
func corpus(t testing.TB, mb *Mailbox, n int) {
	t.Helper()
	b, err := mb.NewBatch(t.Context(), "")
	require.NoError(t, err)
	defer b.Close()
	for i := range n {
		raw := message(i)
		switch i % 10 {
		case 3:
			raw = []byte(rich)
		case 5:
			raw = nil
		case 7:
			raw = []byte("no header\xff\x00")
		}
		_, err := b.Add(t.Context(), bytes.NewReader(raw), nil)
		require.NoError(t, err)
	}
	require.NoError(t, b.Commit(t.Context()))
}

// listings are ways to list, and what they want.
func listings() map[string]*mailbox.ListOptions {
	return map[string]*mailbox.ListOptions{
		"all":              nil,
		"every":            {Fields: mailbox.AllFields},
		"reverse":          {Reverse: true},
		"newest":           {Newest: 7, Fields: mailbox.AllFields},
		"newest, reversed": {Newest: 9, Reverse: true, Fields: mailbox.FieldEnvelope},
	}
}

// TestIndexTellsTheSame: a list by the index is the list without it, in every
// field.
func TestIndexTellsTheSame(t *testing.T) {
	mb := openReal(t, nil)
	corpus(t, mb, 200)
	plain := openTest(t, mb.root.dir, &Options{NoIndex: true}, nil)
	ids := list(t, plain, "", &mailbox.ListOptions{Fields: mailbox.FieldsNone})
	all := listings()
	all["some"] = &mailbox.ListOptions{IDs: []mailbox.ID{ids[190].ID, ids[3].ID, ids[77].ID}, Fields: mailbox.AllFields}
	for range 3 {
		for what, opts := range all {
			want, got := list(t, plain, "", opts), list(t, mb, "", opts)
			require.Equal(t, len(want), len(got), what)
			for i := range want {
				require.Equal(t, want[i], got[i], what)
			}
		}
	}
	_, err := mb.root.dir.Lstat(indexFile)
	require.NoError(t, err)
	assert.Empty(t, names(t, mb.root.dir, "tmp"))
}

// TestSecondListOpensNothing: once listed, no message is opened for a list again,
// neither in this session nor in another; without the index all are.
func TestSecondListOpensNothing(t *testing.T) {
	const n = 150
	files, count := counted(disktest.NewMem(4096))
	mb := openTest(t, files, nil, nil)
	corpus(t, mb, n)
	for _, c := range []struct {
		what  string
		mb    *Mailbox
		opts  *mailbox.ListOptions
		opens int
	}{
		{"the first list", mb, nil, n},
		{"the second", mb, nil, 0},
		{"another session", openTest(t, files, nil, nil), nil, 0},
		{"in reverse", mb, &mailbox.ListOptions{Reverse: true}, 0},
		{"with structure, for the first time", mb, &mailbox.ListOptions{Fields: mailbox.AllFields}, n},
		{"with structure", mb, &mailbox.ListOptions{Fields: mailbox.AllFields}, 0},
		{"without structure again", mb, nil, 0},
		{"without the index", openTest(t, files, &Options{NoIndex: true}, nil), nil, n},
	} {
		count(disktest.KindOpen)
		require.Len(t, list(t, c.mb, "", c.opts), n, c.what)
		assert.Equal(t, c.opens, count(disktest.KindOpen), c.what)
	}
	// IDs and flags are in the names.
	for _, fields := range []mailbox.Fields{mailbox.FieldsNone, mailbox.FieldFlags} {
		count(disktest.KindLstat)
		require.Len(t, list(t, mb, "", &mailbox.ListOptions{Fields: fields}), n)
		assert.Less(t, count(disktest.KindLstat), 20)
	}
}

// TestIndexKeepsUp: what is new is opened, once enough of it makes the index
// worth writing; what is gone is not listed.
func TestIndexKeepsUp(t *testing.T) {
	files, count := counted(disktest.NewMem(4096))
	mb := openTest(t, files, nil, nil)
	corpus(t, mb, 100)
	list(t, mb, "", nil)
	count(disktest.KindOpen)
	count(disktest.KindReplace)
	add(t, mb, 100)
	for range 3 {
		require.Len(t, list(t, mb, "", nil), 101)
		assert.Equal(t, 1, count(disktest.KindOpen), "one message is not worth it")
	}
	for i := range 11 {
		add(t, mb, 101+i)
	}
	assert.Zero(t, count(disktest.KindReplace))
	all := list(t, mb, "", nil)
	require.Len(t, all, 112)
	assert.Equal(t, 12, count(disktest.KindOpen))
	assert.Equal(t, 1, count(disktest.KindReplace))
	list(t, mb, "", nil)
	assert.Zero(t, count(disktest.KindOpen))

	var ids []mailbox.ID
	for _, s := range all[:111] {
		ids = append(ids, s.ID)
	}
	before, err := files.Lstat(indexFile)
	require.NoError(t, err)
	require.NoError(t, mb.Delete(t.Context(), ids, nil))
	require.Len(t, list(t, mb, "", nil), 1)
	after, err := files.Lstat(indexFile)
	require.NoError(t, err)
	assert.Less(t, after.Size(), before.Size()/10, "an index of nothing but what is gone shrinks")
}

// TestIndexIsNotTrusted: what is not of this very file does not count, and a
// damaged index is as good as none.
func TestIndexIsNotTrusted(t *testing.T) {
	mb := openReal(t, nil)
	corpus(t, mb, 60)
	want := list(t, mb, "", nil)
	path := filepath.Join(mb.Dir(), indexFile)
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	same := func(what string) {
		t.Helper()
		got := list(t, mb, "", nil)
		require.Equal(t, len(want), len(got), what)
		for i := range want {
			require.Equal(t, want[i], got[i], what)
		}
	}
	for cut := 0; cut < len(good); cut += 1 + cut/20 {
		require.NoError(t, os.WriteFile(path, good[:cut], 0o600))
		same(fmt.Sprintf("cut at %d", cut))
	}
	for at := 0; at < len(good); at += 1 + len(good)/300 {
		bad := slices.Clone(good)
		bad[at] ^= 0x41
		require.NoError(t, os.WriteFile(path, bad, 0o600))
		same(fmt.Sprintf("octet %d changed", at))
	}
	other := slices.Clone(good)
	other[7]++ // another version, whose sum is right
	binary.LittleEndian.PutUint32(other[28:], crc32c(other[:28]))
	for what, bad := range map[string][]byte{
		"nothing": nil, "garbage": bytes.Repeat([]byte("garbage!"), 10_000), "zeros": make([]byte, 100_000),
		"another version": other, "records out of order": reordered(t, good), "twice": append(slices.Clone(good), good...),
	} {
		require.NoError(t, os.WriteFile(path, bad, 0o600))
		same(what)
		same(what + ", once more")
	}
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Symlink(filepath.Join(mb.Dir(), "dovecot-keywords"), path))
	same("a link")
	require.NoError(t, os.RemoveAll(path))
	require.NoError(t, os.Mkdir(path, 0o700))
	same("a directory")

	// A message that is another one now, though it has the name of the old one.
	s := want[0]
	file := filepath.Join(mb.Dir(), "new", s.ID.Key())
	require.NoError(t, os.RemoveAll(path))
	same("no index")
	for what, change := range map[string]func(){
		"another size": func() {
			info, err := os.Lstat(file)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(file, []byte("Subject: Other\r\n\r\n"), 0o600))
			require.NoError(t, os.Chtimes(file, time.Time{}, info.ModTime()))
		},
		"another time": func() {
			require.NoError(t, os.WriteFile(file, message(8), 0o600))
			require.NoError(t, os.Chtimes(file, time.Time{}, time.Unix(1e9, 0)))
		},
	} {
		list(t, mb, "", nil)
		change()
		got := list(t, mb, "", nil)[0]
		assert.NotEqual(t, s.Envelope.Subject, got.Envelope.Subject, what)
	}
}

// reordered exchanges two places in the table.
func reordered(t *testing.T, good []byte) []byte {
	t.Helper()
	bad := slices.Clone(good)
	table := binary.LittleEndian.Uint64(bad[16:])
	a, b := bad[table:table+8], bad[table+80:table+88]
	c := slices.Clone(a)
	copy(a, b)
	copy(b, c)
	return bad
}

// TestIndexReadOnly: where nothing may be written lists work all the same.
func TestIndexReadOnly(t *testing.T) {
	files := disktest.Hook(disktest.NewMem(512), func(op disktest.Op) error {
		if !op.After && op.Kind == disktest.KindReplace {
			return fs.ErrPermission
		}
		return nil
	})
	mb := openTest(t, files, nil, nil)
	corpus(t, mb, 100)
	for range 2 {
		require.Len(t, list(t, mb, "", nil), 100)
	}
	assert.NotContains(t, names(t, files, "."), indexFile)
	assert.Empty(t, names(t, files, "tmp"))
}

// TestIndexInPieces: what does not fit in memory is written in the middle of a
// list, and found.
func TestIndexInPieces(t *testing.T) {
	files, count := counted(disktest.NewMem(4096))
	mb := openTest(t, files, nil, nil)
	const n = 60
	b, err := mb.NewBatch(t.Context(), "")
	require.NoError(t, err)
	defer b.Close()
	for i := range n {
		raw := fmt.Sprintf("Subject: %d %s\r\n\r\n", i, strings.Repeat("x", maxFresh/n*4))
		_, err := b.Add(t.Context(), strings.NewReader(raw), nil)
		require.NoError(t, err)
	}
	require.NoError(t, b.Commit(t.Context()))
	for _, opts := range []*mailbox.ListOptions{{Fields: mailbox.FieldEnvelope}, {Fields: mailbox.FieldEnvelope, Reverse: true}} {
		count(disktest.KindCreate)
		all := list(t, mb, "", opts)
		require.Len(t, all, n)
		for i, s := range all {
			if opts.Reverse {
				i = n - 1 - i
			}
			assert.True(t, strings.HasPrefix(s.Envelope.Subject, fmt.Sprint(i, " ")))
		}
		require.NoError(t, files.Remove(indexFile))
		assert.Greater(t, count(disktest.KindCreate), 2)
	}
}

func TestRecordLimits(t *testing.T) {
	deep := &mailbox.Part{Type: "text/plain"}
	for range maxNesting + 1 {
		deep = &mailbox.Part{Type: "multipart/mixed", Parts: []*mailbox.Part{deep}}
	}
	env := &mailbox.Envelope{Subject: "kept"}
	raw := appendRecord(nil, "1.a", fingerprint{1, 2}, &description{envelope: env, structure: deep})
	base, fp, d, err := parseRecord(raw)
	require.NoError(t, err)
	assert.Equal(t, "1.a", base)
	assert.Equal(t, fingerprint{1, 2}, fp)
	assert.Equal(t, env, d.envelope)
	assert.Nil(t, d.structure, "what nobody could read back is not kept")
	long := &mailbox.Envelope{Subject: strings.Repeat("x", maxRecord)}
	assert.Empty(t, appendRecord(nil, "1.a", fp, &description{envelope: long}))
}

// FuzzIndex: whatever is in the file, reading it ends, in bounded memory, and
// what is found is what was asked for.
func FuzzIndex(f *testing.F) {
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := disktest.NewMem(4096)
		put(t, m, indexFile, string(raw))
		for _, fixed := range []bool{false, true} {
			if fixed {
				raw = withSums(raw)
				require.NoError(t, m.Remove(indexFile))
				put(t, m, indexFile, string(raw))
			}
			x := openIndex(m)
			for _, name := range []string{"1700000000.M1P1.a", "1.b", "x", "1700000001.M2P1Q3.c", "0", "9999999999.z"} {
				e := newEntry(name, ":2,", false, 0)
				if record := x.find(&e); record != nil {
					base, err := recordBase(record)
					require.NoError(t, err)
					require.Equal(t, name, base)
					_, _, _, _ = parseRecord(record)
				}
			}
			x.close()
		}
		if base, fp, d, err := parseRecord(raw); err == nil {
			again := appendRecord(nil, base, fp, d)
			base2, fp2, d2, err := parseRecord(again)
			require.NoError(t, err)
			require.Equal(t, base, base2)
			require.Equal(t, fp, fp2)
			require.Equal(t, d.has(mailbox.AllFields), d2.has(mailbox.AllFields))
		}
	})
}

// withSums puts the sums of an index right, so that what is behind them is read.
func withSums(raw []byte) []byte {
	raw = slices.Clone(raw)
	if len(raw) < headerSize {
		return raw
	}
	copy(raw, indexMagic)
	table := binary.LittleEndian.Uint64(raw[16:])
	if table > uint64(len(raw)) {
		table = uint64(len(raw)) / 2
		binary.LittleEndian.PutUint64(raw[16:], table)
	}
	count := (uint64(len(raw)) - table) / tableEntry
	raw = raw[:table+count*tableEntry]
	if len(raw) < headerSize {
		return raw
	}
	binary.LittleEndian.PutUint64(raw[8:], count)
	binary.LittleEndian.PutUint32(raw[28:], crc32c(raw[:28]))
	for i := range count {
		from := binary.LittleEndian.Uint64(raw[table+i*tableEntry:])
		if from < headerSize || from+8 > table {
			continue
		}
		n := uint64(binary.LittleEndian.Uint32(raw[from:]))
		if from+8+n <= table {
			binary.LittleEndian.PutUint32(raw[from+4+n:], crc32c(raw[from+4:from+4+n]))
		}
	}
	return raw
}
