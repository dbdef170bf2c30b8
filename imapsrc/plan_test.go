package imapsrc

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPlan takes plans apart in every way, with failures at random, and checks
// that each message is asked for once, in the right order, but for those that
// are given up.
func TestPlan(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 60 {
		n := r.IntN(3000)
		p := plan{reverse: r.IntN(2) == 0, lo: 1, hi: uint32(n), small: r.IntN(2) * firstBatch}
		if r.IntN(2) == 0 {
			var uids []uint32
			for i := range n {
				uids = append(uids, uint32(i+1))
			}
			p.goByUID(uids)
		}
		var got []uint32
		for p.left() > 0 {
			ahead := p.peek(0)
			if skip := len(ahead.nums); skip < p.left() {
				second := p.peek(skip)
				assert.NotEqual(t, ahead.nums[0], second.nums[0])
			}
			if p.byUID && r.IntN(4) == 0 && p.failed(len(ahead.nums)) {
				continue
			}
			nums := slices.Clone(ahead.nums)
			if p.reverse {
				slices.Reverse(nums)
			}
			got = append(got, nums...)
			p.done(len(ahead.nums))
		}
		require.Len(t, got, n)
		for i, num := range got {
			want := uint32(i + 1)
			if p.reverse {
				want = uint32(n - i)
			}
			require.Equal(t, want, num)
		}
	}
}

// TestPlanFindsCulprit: one message of a thousand that breaks the connection is
// found by halves.
func TestPlanFindsCulprit(t *testing.T) {
	const culprit = 637
	var uids []uint32
	for i := range 1000 {
		uids = append(uids, uint32(i+1))
	}
	var p plan
	p.goByUID(uids)
	lost, given := 0, 0
	for p.left() > 0 {
		b := p.peek(0)
		if !slices.Contains(b.nums, culprit) {
			p.done(len(b.nums))
			continue
		}
		lost++
		if !p.failed(len(b.nums)) {
			require.Equal(t, []uint32{culprit}, b.nums)
			given++
			p.done(1)
		}
	}
	assert.Equal(t, 1, given)
	assert.LessOrEqual(t, lost, maxLosses/2)
}

func TestSentUIDs(t *testing.T) {
	var u sentUIDs
	for _, c := range []struct {
		uid uint32
		ok  bool
	}{{5, true}, {7, true}, {9, true}, {9, false}, {7, false}, {6, true}, {6, false}, {10, true}, {5, false}} {
		assert.Equal(t, c.ok, u.add(c.uid), c)
	}
	var down sentUIDs
	for _, uid := range []uint32{9, 8, 3} {
		assert.True(t, down.add(uid))
	}
	assert.Nil(t, down.odd, "falling UIDs cost nothing")
	assert.False(t, down.add(8))
}
