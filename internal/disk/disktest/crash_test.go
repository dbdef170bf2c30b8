package disktest

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// show is the files of a Mem as one line: name=octets, with 0 for a zero octet.
func show(m *Mem) string {
	var all []string
	for name, text := range m.Files() {
		if strings.HasSuffix(name, "/") {
			all = append(all, name)
		} else {
			all = append(all, name+"="+strings.ReplaceAll(text, "\x00", "0"))
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// states is all that a Mem may be after a crash.
func states(m *Mem) []string {
	all := map[string]bool{}
	Enumerate(func(choose func(int) int) { all[show(m.Crash(choose))] = true })
	return slices.Sorted(maps.Keys(all))
}

// script does operations that must succeed, one word or more each:
//
//	write F TEXT, append F TEXT, over F TEXT AT, cut F SIZE, sync F
//	move A B, replace A B, rm F, mkdir D, syncdir D, settled
//
// settled makes everything durable.
func script(t *testing.T, m *Mem, lines ...string) *Mem {
	t.Helper()
	for _, line := range lines {
		word := append(strings.Fields(line), "", "")
		switch word[0] {
		case "settled":
			m = m.Crash(Most)
		case "move":
			require.NoError(t, m.Move(word[1], word[2]), line)
		case "replace":
			require.NoError(t, m.Replace(word[1], word[2]), line)
		case "rm":
			require.NoError(t, m.Remove(word[1]), line)
		case "mkdir":
			require.NoError(t, m.Mkdir(word[1]), line)
		case "syncdir":
			require.NoError(t, m.SyncDir(word[1]), line)
		case "sync":
			require.NoError(t, m.SyncFiles(word[1:2]), line)
		default:
			f, err := m.OpenRW(word[1])
			require.NoError(t, err, line)
			var at, size int64
			switch word[0] {
			case "write":
				_, err = f.Write([]byte(word[2]))
			case "append":
				_, err = io.Copy(io.Discard, f)
				require.NoError(t, err, line)
				_, err = f.Write([]byte(word[2]))
			case "over":
				_, err = fmt.Sscan(word[3], &at)
				require.NoError(t, err, line)
				_, err = f.WriteAt([]byte(word[2]), at)
			case "cut":
				_, err = fmt.Sscan(word[2], &size)
				require.NoError(t, err, line)
				err = f.Truncate(size)
			default:
				t.Fatalf("no such operation: %s", line)
			}
			require.NoError(t, err, line)
			require.NoError(t, f.Close(), line)
		}
	}
	return m
}

func TestCrash(t *testing.T) {
	for _, c := range []struct {
		name  string
		block int
		does  []string
		want  []string
	}{
		{"nothing", 512, nil, []string{""}},
		{"settled", 512, []string{"mkdir d", "write d/a abc", "settled"}, []string{"d/ d/a=abc"}},

		// What becomes of octets.
		{"write, no sync", 512, []string{"write a abc", "syncdir ."}, []string{"a=", "a=000", "a=abc"}},
		{
			"write in blocks, no sync", 1, []string{"write a abc", "syncdir ."},
			[]string{"a=", "a=000", "a=a", "a=a00", "a=ab", "a=ab0", "a=abc"},
		},
		{
			"two blocks, the second not full", 2, []string{"write a abc", "syncdir ."},
			[]string{"a=", "a=000", "a=ab", "a=ab0", "a=abc"},
		},
		{"write, sync", 1, []string{"write a abc", "sync a", "syncdir ."}, []string{"a=abc"}},
		{
			"the first write is durable", 512, []string{"write a abc", "sync a", "append a de", "syncdir ."},
			[]string{"a=abc", "a=abc00", "a=abcde"},
		},
		{
			"of two writes either may be lost", 512, []string{"write a ab", "append a cd", "syncdir ."},
			[]string{"a=", "a=00", "a=0000", "a=00cd", "a=ab", "a=ab00", "a=abcd"},
		},
		{
			"overwritten", 1, []string{"write a abcd", "settled", "over a XY 1"},
			[]string{"a=aXYd", "a=aXcd", "a=abcd"},
		},
		{
			"beyond the end", 512, []string{"write a ab", "settled", "over a X 4"},
			[]string{"a=ab", "a=ab000", "a=ab00X"},
		},
		{"cut", 512, []string{"write a abcd", "settled", "cut a 1"}, []string{"a=a", "a=abcd"}},
		{"lengthened", 512, []string{"write a a", "settled", "cut a 3"}, []string{"a=a", "a=a00"}},
		{"cut and synced", 512, []string{"write a abcd", "settled", "cut a 1", "sync a"}, []string{"a=a"}},

		// What becomes of names.
		{"sync, name not", 512, []string{"write a abc", "sync a"}, []string{"", "a=abc"}},
		{"name of a directory not", 512, []string{"mkdir d", "write d/a abc", "sync d/a", "syncdir d"}, []string{"", "d/ d/a=abc"}},
		{"made and removed", 512, []string{"write a x", "sync a", "rm a"}, []string{"", "a=x"}},
		{"removed", 512, []string{"write a x", "settled", "rm a"}, []string{"", "a=x"}},
		{"removed and synced", 512, []string{"write a x", "settled", "rm a", "syncdir ."}, []string{""}},
		{
			"any of two", 512, []string{"write a x", "write b y", "settled", "rm a", "rm b"},
			[]string{"", "a=x", "a=x b=y", "b=y"},
		},
		{"renamed in a directory", 512, []string{"write a x", "settled", "move a b"}, []string{"a=x", "b=x"}},
		{"replaced", 512, []string{"write a x", "write b y", "settled", "replace a b"}, []string{"a=x b=y", "b=x"}},
		{
			"made and renamed", 512, []string{"write b old", "settled", "write a new", "sync a", "replace a b"},
			[]string{"a=new b=old", "b=new", "b=old"},
		},
		{
			"renamed twice", 512, []string{"write a x", "settled", "move a b", "move b c"},
			[]string{"a=x", "b=x", "c=x"},
		},
		{
			"the name is another's", 512, []string{"write a x", "settled", "rm a", "write a y", "sync a"},
			[]string{"", "a=x", "a=y"},
		},
		{
			"to another directory", 512, []string{"mkdir d", "mkdir e", "write d/a x", "settled", "move d/a e/a"},
			[]string{"d/ d/a=x e/", "d/ d/a=x e/ e/a=x", "d/ e/ e/a=x"},
		},
		{
			"to another directory, synced there", 512,
			[]string{"mkdir d", "mkdir e", "write d/a x", "settled", "move d/a e/a", "syncdir e"},
			[]string{"d/ d/a=x e/ e/a=x", "d/ e/ e/a=x"},
		},
		{
			"to another directory, synced here", 512,
			[]string{"mkdir d", "mkdir e", "write d/a x", "settled", "move d/a e/a", "syncdir d"},
			[]string{"d/ e/ e/a=x"},
		},
		{
			"through three directories", 512,
			[]string{"mkdir d", "mkdir e", "mkdir f", "write d/a x", "settled", "move d/a e/a", "move e/a f/a", "syncdir d"},
			[]string{"d/ e/ e/a=x f/", "d/ e/ e/a=x f/ f/a=x", "d/ e/ f/ f/a=x"},
		},
		{
			"over another in another directory", 512,
			[]string{"mkdir d", "mkdir e", "write d/a new", "write e/a old", "settled", "replace d/a e/a"},
			[]string{"d/ d/a=new e/ e/a=new", "d/ d/a=new e/ e/a=old", "d/ e/ e/a=new"},
		},
		{
			"a directory", 512, []string{"mkdir d", "write d/a x", "settled", "move d e", "write e/b y", "sync e/b"},
			[]string{"d/ d/a=x", "d/ d/a=x d/b=y", "e/ e/a=x", "e/ e/a=x e/b=y"},
		},

		// Orders that programs have.
		{
			"deliver", 512,
			[]string{"mkdir tmp", "mkdir cur", "settled", "write tmp/a abc", "sync tmp/a", "move tmp/a cur/a", "syncdir cur"},
			[]string{"cur/ cur/a=abc tmp/", "cur/ cur/a=abc tmp/ tmp/a=abc"},
		},
		{
			"control: deliver before the sync", 512,
			[]string{"mkdir tmp", "mkdir cur", "settled", "write tmp/a abc", "move tmp/a cur/a", "syncdir cur"},
			[]string{
				"cur/ cur/a= tmp/", "cur/ cur/a= tmp/ tmp/a=", "cur/ cur/a=000 tmp/", "cur/ cur/a=000 tmp/ tmp/a=000",
				"cur/ cur/a=abc tmp/", "cur/ cur/a=abc tmp/ tmp/a=abc",
			},
		},
		{
			"control: deliver and sync no directory", 512,
			[]string{"mkdir tmp", "mkdir cur", "settled", "write tmp/a abc", "sync tmp/a", "move tmp/a cur/a"},
			[]string{"cur/ cur/a=abc tmp/", "cur/ cur/a=abc tmp/ tmp/a=abc", "cur/ tmp/", "cur/ tmp/ tmp/a=abc"},
		},
		{
			"rewrite", 512,
			[]string{"write j old", "settled", "write j.new new", "sync j.new", "replace j.new j", "syncdir ."},
			[]string{"j=new"},
		},
		{
			"control: rewrite in place", 512, []string{"write j old", "settled", "cut j 0", "write j new"},
			[]string{"j=", "j=000", "j=new", "j=old"},
		},
		{
			"control: rewrite without a sync", 512,
			[]string{"write j old", "settled", "write j.new new", "replace j.new j", "syncdir ."},
			[]string{"j=", "j=000", "j=new"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.want, states(script(t, NewMem(c.block), c.does...)))
		})
	}
}

func TestCrashLeavesAlone(t *testing.T) {
	m := script(t, NewMem(1), "write a abc", "settled", "append a def", "over a XY 1", "mkdir d")
	before := states(m)
	least, most := m.Crash(Least), m.Crash(Most)
	assert.Equal(t, "a=abc", show(least))
	assert.Equal(t, "a=aXYdef d/", show(most))
	script(t, least, "over a 123 0", "append a 4", "sync a", "write b b")
	script(t, most, "over a 789 3", "cut a 5", "append a 0", "rm d")
	assert.Equal(t, "a=1234 b=b", show(least))
	assert.Equal(t, "a=aXY780", show(most))
	assert.Equal(t, "a=aXYdef d/", show(m))
	assert.Equal(t, before, states(m))
	script(t, m, "over a ------ 0", "sync a")
	assert.Equal(t, "a=1234 b=b", show(least))
	assert.Equal(t, "a=aXY780", show(most))
}

// TestCrashShares has what crashed, what was left, and what was left of that write
// to one file.
func TestCrashShares(t *testing.T) {
	grow := []string{"write a 0"}
	for i := range 20 {
		grow = append(grow, fmt.Sprint("append a ", i), "sync a") // there is room behind it
	}
	text := "a=0012345678910111213141516171819"
	m := script(t, NewMem(512), append(grow, "syncdir .")...)
	untouched, one := m.Crash(Least), m.Crash(Least)
	two := one.Crash(Least)
	for i, each := range []*Mem{one, m, two} {
		script(t, each, fmt.Sprint("append a ", i), "sync a")
	}
	for i, each := range []*Mem{one, m, two} {
		assert.Equal(t, text+fmt.Sprint(i), show(each))
		assert.Equal(t, text+fmt.Sprint(i), show(each.Crash(Least)))
	}
	for _, each := range []*Mem{m, two, one} {
		script(t, each, "over a X 0", "sync a", "cut a 1", "append a Y", "sync a")
		assert.Equal(t, "a=XY", show(each.Crash(Least)))
	}
	assert.Equal(t, text, show(untouched))

	// What crashed writes over octets that were left.
	m = script(t, NewMem(512), "write a abc", "sync a", "syncdir .")
	left := m.Crash(Least)
	script(t, m, "over a X 0", "sync a")
	assert.Equal(t, "a=abc", show(left))

	// What a program sees and what is durable part, in a file that was left.
	m = script(t, NewMem(512), "write a abc", "append a d", "append a e", "syncdir .").Crash(Most)
	script(t, m, "append a X")
	m.lose([]string{"a"})
	script(t, m, "append a Y", "sync a")
	assert.Equal(t, "a=abcdeXY", show(m))
	assert.Equal(t, "a=abcde0Y", show(m.Crash(Least)))
}

func TestCrashTime(t *testing.T) {
	m := script(t, NewMem(1), "write a abc", "settled")
	old, set := time.Unix(1000, 0), time.Unix(2000, 0)
	times := func() (all []int64) {
		Enumerate(func(choose func(int) int) {
			info, err := m.Crash(choose).Lstat("a")
			require.NoError(t, err)
			all = append(all, info.ModTime().Unix())
		})
		return all
	}
	require.NoError(t, m.SetTime("a", old))
	require.NoError(t, m.SyncFiles([]string{"a"}))
	require.NoError(t, m.SetTime("a", set))
	assert.Equal(t, []int64{1000, 2000}, times())
	require.NoError(t, m.SyncFiles([]string{"a"}))
	assert.Equal(t, []int64{2000}, times())
}

func TestLockAndRestart(t *testing.T) {
	m := NewMem(512)
	f, err := m.OpenRW("lock")
	require.NoError(t, err)
	require.NoError(t, f.Lock())
	locks := func(m *Mem) error {
		f, err := m.OpenRW("lock")
		require.NoError(t, err)
		return f.Lock()
	}
	assert.ErrorIs(t, locks(m), disk.ErrLocked)
	assert.NoError(t, locks(m.Crash(Most)))
	assert.ErrorIs(t, f.Lock(), nil)
	_, err = f.Write([]byte("x"))
	require.NoError(t, err)
	next := m.Restart()
	assert.NoError(t, locks(next))
	assert.ErrorIs(t, locks(next), disk.ErrLocked)
	assert.Equal(t, "lock=x", show(next))
	assert.Equal(t, []string{"", "lock=", "lock=0", "lock=x"}, states(next), "nothing is durable by it")
	_, err = f.Write([]byte("x"))
	assert.ErrorIs(t, err, fs.ErrClosed)
	assert.ErrorIs(t, f.Close(), fs.ErrClosed)
	assert.ErrorIs(t, locks(next), disk.ErrLocked)
	_, err = m.Lstat(".")
	assert.ErrorIs(t, err, fs.ErrClosed)
}

func TestEnumerate(t *testing.T) {
	var got []string
	Enumerate(func(choose func(int) int) {
		s := fmt.Sprint(choose(2))
		if s == "1" {
			s += fmt.Sprint(choose(3), choose(2))
		}
		got = append(got, s)
	})
	assert.Equal(t, []string{"0", "10 0", "10 1", "11 0", "11 1", "12 0", "12 1"}, got)
	calls := 0
	Enumerate(func(func(int) int) { calls++ })
	assert.Equal(t, 1, calls)
	n := 1
	assert.Panics(t, func() { Enumerate(func(choose func(int) int) { n++; choose(n) }) })
	assert.Panics(t, func() { NewMem(0) })
}

// TestSample wants of a few thousand samples that they find what is rare.
func TestSample(t *testing.T) {
	m := NewMem(512)
	for i := range 40 {
		script(t, m, fmt.Sprintf("write %02d x", i))
	}
	script(t, m, "settled")
	m = m.Crash(Most)
	for i := range 40 {
		require.NoError(t, m.Remove(fmt.Sprintf("%02d", i)))
	}
	r := rand.New(rand.NewPCG(1, 2))
	left := map[int]int{}
	for range 3000 {
		left[len(m.Crash(Sample(r)).Files())]++
	}
	for _, n := range []int{0, 1, 2, 20, 38, 39, 40} {
		assert.NotZero(t, left[n], "%d files left", n)
	}
	again := func() string { return show(m.Crash(Sample(rand.New(rand.NewPCG(3, 4))))) }
	assert.Equal(t, again(), again())
}

func BenchmarkCrash(b *testing.B) {
	m := NewMem(512)
	body := []byte(strings.Repeat("x", 6<<10))
	for _, dir := range []string{"tmp", "cur"} {
		if err := m.Mkdir(dir); err != nil {
			b.Fatal(err)
		}
	}
	for i := range 20 {
		name := fmt.Sprint(i)
		f, err := m.Create("tmp/" + name)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = f.Write(body)
		_ = f.Close()
		if err := m.Move("tmp/"+name, "cur/"+name); err != nil {
			b.Fatal(err)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	b.ReportAllocs()
	for b.Loop() {
		after := m.Crash(Sample(r))
		if entries, err := after.ReadDir("."); err != nil || len(entries) > 2 {
			b.Fatal(entries, err)
		}
	}
}
