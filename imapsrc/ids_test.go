package imapsrc

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
)

func TestUIDOf(t *testing.T) {
	for key, want := range map[string]uint32{
		"1": 1, "4294967295": 1<<32 - 1,
		"": 0, "0": 0, "01": 0, "+1": 0, "-1": 0, "4294967296": 0, "1 ": 0, "1:5": 0, "*": 0, "1\r\n": 0,
	} {
		uid, ok := uidOf(mailbox.NewID("INBOX", "1", key))
		assert.Equal(t, want != 0, ok, "%q", key)
		if ok {
			assert.Equal(t, want, uid, "%q", key)
		}
	}
}

func TestGroup(t *testing.T) {
	got := group([]mailbox.ID{
		mailbox.NewID("inbox", "7", "3"), mailbox.NewID("Work", "9", "1"), mailbox.NewID("", "7", "2"),
		mailbox.NewID("INBOX", "7", "3"), mailbox.NewID("INBOX", "7", "x"), mailbox.NewID("Work", "8", "2"),
	})
	require.Len(t, got, 2)
	assert.Equal(t, &folderIDs{folder: "INBOX", epochs: []string{"7"}, uids: []uint32{2, 3}}, got[0])
	assert.Equal(t, &folderIDs{folder: "Work", epochs: []string{"9", "8"}, uids: []uint32{1, 2}}, got[1])
	assert.False(t, got[0].stale(7))
	assert.True(t, got[0].stale(8))
	assert.True(t, got[1].stale(9), "one of two epochs")
}

// TestChunk cuts random sets and reads them back: every number once, none
// beside, no line too long.
func TestChunk(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		var nums []uint32
		n := uint32(r.IntN(3)) * 2_000_000_000
		for range r.IntN(3000) {
			n += 1 + uint32(r.IntN(1+r.IntN(50)))
			nums = append(nums, n)
		}
		var back []uint32
		for rest := nums; len(rest) > 0; {
			head, tail, set := chunk(rest, batchSize)
			require.NotEmpty(t, head)
			require.LessOrEqual(t, len(head), batchSize)
			require.LessOrEqual(t, len(set), maxSetBytes+24)
			back = append(back, expand(t, set)...)
			rest = tail
		}
		require.True(t, slices.Equal(nums, back))
	}
	_, _, set := chunk([]uint32{1, 2, 3, 5, 4294967294, 4294967295}, 500)
	assert.Equal(t, "1:3,5,4294967294:4294967295", set)
}

func expand(t *testing.T, set string) []uint32 {
	var all []uint32
	for r := range strings.SplitSeq(set, ",") {
		from, to, ok := strings.Cut(r, ":")
		if !ok {
			to = from
		}
		a, err := strconv.ParseUint(from, 10, 32)
		require.NoError(t, err)
		b, err := strconv.ParseUint(to, 10, 32)
		require.NoError(t, err)
		for n := a; n <= b; n++ {
			all = append(all, uint32(n))
		}
	}
	return all
}
