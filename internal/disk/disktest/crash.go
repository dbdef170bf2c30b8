package disktest

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
)

// Crash returns what a loss of power now may leave, and changes nothing in m: it
// can be asked again for other states. It is of use on the topmost Mem only.
//
// What is left is what POSIX promises at least:
//
//   - Of the changes to a directory since its SyncDir, any may be done and any
//     not, whatever their order was.
//   - A move within a directory is one change. One to another directory is two:
//     the file is under its old name, under the new one, or both. Under neither
//     it is only if there was no old name on the disk.
//   - Of a file's writes since its Sync, each is lost, kept, cut at a block, or
//     there in length with zeros from some block on. So is each Truncate and
//     SetTime kept or lost. What was there and is not written to is untouched.
//
// choose(n) decides: it returns a number in [0,n), and 0 is what keeps least and
// n-1 what keeps most. n is 2 or more. See [Enumerate], [Sample], [Least] and
// [Most]; IntN of a rand.Rand will do too.
func (m *Mem) Crash(choose func(n int) int) *Mem {
	m.fs.mu.Lock()
	defer m.fs.mu.Unlock()
	c := crash{choose: choose, block: m.fs.block, names: map[*node]map[string]*node{}, nodes: map[*node]*node{}}
	c.chooseNames(m.fs.root)
	root := c.copy(m.fs.root)
	return &Mem{fs: &memFS{root: root, block: m.fs.block}, dir: root}
}

// Least is the choice that leaves only what is durable.
func Least(int) int { return 0 }

// Most is the choice that leaves all there is, as if everything had been synced.
func Most(n int) int { return n - 1 }

type crash struct {
	choose func(n int) int
	block  int
	names  map[*node]map[string]*node // what each directory is left with
	nodes  map[*node]*node            // copies, by what they are of
}

// chooseNames decides about all directories at once, in the order of the
// changes: a move to another directory is in both.
func (c *crash) chooseNames(root *node) {
	type place struct {
		dir *node
		*change
	}
	var all []place
	c.eachDir(root, func(dir *node) {
		c.names[dir] = maps.Clone(dir.durableNames)
		for _, ch := range dir.pending {
			all = append(all, place{dir, ch})
		}
	})
	slices.SortFunc(all, func(a, b place) int { return cmp.Compare(a.seq, b.seq) })
	done := map[*change]bool{}
	for _, p := range all {
		if p.after != nil && !p.after.durable && !done[p.after] {
			continue
		}
		if p.forced || c.choose(2) == 1 {
			done[p.change] = true
			p.apply(c.names[p.dir])
		}
	}
}

// eachDir visits every directory that may be left, or has been moved out of one
// that may.
func (c *crash) eachDir(root *node, visit func(*node)) {
	seen := map[*node]bool{}
	var walk func(*node)
	walk = func(dir *node) {
		if dir == nil || !dir.dir || seen[dir] {
			return
		}
		seen[dir] = true
		visit(dir)
		for _, n := range dir.durableNames {
			walk(n)
		}
		for _, n := range dir.names {
			walk(n)
		}
		for _, ch := range dir.pending {
			walk(ch.node)
		}
	}
	walk(root)
}

// copy is what is left of n: all of it is durable.
func (c *crash) copy(n *node) *node {
	if to := c.nodes[n]; to != nil {
		return to
	}
	to := &node{dir: n.dir, mode: n.mode}
	c.nodes[n] = to
	if !n.dir {
		c.copyFile(to, n)
		return to
	}
	to.time = n.time
	to.names = make(map[string]*node, len(c.names[n]))
	for _, name := range slices.Sorted(maps.Keys(c.names[n])) {
		to.names[name] = c.copy(c.names[n][name])
	}
	to.durableNames = maps.Clone(to.names)
	return to
}

func (c *crash) copyFile(to, n *node) {
	// None who hold these octets from now on may write into them.
	n.durableShared = true
	to.data, to.dataShared, to.time = n.durable, true, n.durableTime
	for i := range n.runs {
		c.chooseRun(to, &n.runs[i])
	}
	to.dataShared, to.durableShared = true, true
	to.durable, to.durableTime = to.data, to.time
}

// chooseRun decides what is left of one change of a file.
func (c *crash) chooseRun(to *node, r *run) {
	keep := func(octets []byte) {
		part := *r
		part.octets = octets
		to.data = part.apply(to.data, &to.dataShared, &to.time)
	}
	if r.kind != written {
		if c.choose(2) == 1 {
			keep(nil)
		}
		return
	}
	blocks := (len(r.octets) + c.block - 1) / c.block
	part := func(fewest int) []byte {
		if fewest == blocks-1 {
			return r.octets[:fewest*c.block]
		}
		return r.octets[:(fewest+c.choose(blocks-fewest))*c.block]
	}
	kinds := 3
	if blocks > 1 {
		kinds = 4
	}
	switch c.choose(kinds) {
	case 0:
	case 1: // the length, not the octets
		octets := part(0)
		to.data = resize(to.data, &to.dataShared, max(int64(len(to.data)), r.at+int64(len(r.octets))))
		keep(octets)
	case kinds - 1:
		keep(r.octets)
	default:
		keep(part(1))
	}
}

// Enumerate calls try again and again, each time with choices that differ, until
// there have been all. Given a try that calls Crash that is every state that may
// be left, some of them more than once. What try does must depend on its choices
// only. It is for few choices: ten of two are a thousand calls.
func Enumerate(try func(choose func(n int) int)) {
	type choice struct{ is, of int }
	var path []choice
	for {
		at := 0
		try(func(n int) int {
			if at == len(path) {
				path = append(path, choice{0, n})
			}
			if path[at].of != n {
				panic("disktest: try does something else for the same choices")
			}
			at++
			return path[at-1].is
		})
		path = path[:at]
		for len(path) > 0 && path[len(path)-1].is == path[len(path)-1].of-1 {
			path = path[:len(path)-1]
		}
		if len(path) == 0 {
			return
		}
		path[len(path)-1].is++
	}
}

// Sample returns choices for one Crash, where they are too many to enumerate.
// Half-and-half would never lose only one change, or all but one; so it leans
// towards losing, or keeping, from one call of Sample to the next.
func Sample(r *rand.Rand) func(n int) int {
	lean := []float64{0, 0.02, 0.2, 0.5, 0.8, 0.98, 1}[r.IntN(7)]
	return func(n int) int {
		switch {
		case r.Float64() < 0.1 && lean != 0 && lean != 1:
			return r.IntN(n)
		case r.Float64() < lean:
			return n - 1
		default:
			return 0
		}
	}
}
