package imapsrc

import (
	"slices"
	"strconv"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

// Bounds of one command that names messages: servers close the connection on
// lines much above 8 KiB (Courier, mox), and a batch should be small enough to
// read as a whole.
const (
	maxSetBytes = 7 << 10
	batchSize   = 500
)

// folderName is the name as servers take it: INBOX in any case is INBOX, and so
// is none (RFC 9051 section 5.1).
func folderName(name string) string {
	if name == "" || strings.EqualFold(name, mailbox.Inbox) {
		return mailbox.Inbox
	}
	return name
}

// uidOf is the UID in an ID's key; ok is false if it cannot be one.
func uidOf(id mailbox.ID) (uid uint32, ok bool) {
	key := id.Key()
	if key == "" || key[0] < '1' || key[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseUint(key, 10, 32)
	return uint32(n), err == nil
}

func newID(folder string, epoch, uid uint32) mailbox.ID {
	return mailbox.NewID(folder, strconv.FormatUint(uint64(epoch), 10), strconv.FormatUint(uint64(uid), 10))
}

// idMaker makes the IDs of one folder and epoch, whose text it shares.
type idMaker struct{ folder, epoch string }

func (m idMaker) id(uid uint32) mailbox.ID {
	return mailbox.NewID(m.folder, m.epoch, strconv.FormatUint(uint64(uid), 10))
}

// folderIDs are IDs of one folder: their epochs, and their UIDs, sorted and
// each once.
type folderIDs struct {
	folder string
	epochs []string
	uids   []uint32
	sizes  map[uint32]int64 // those that the caller told
}

// group sorts ids by folder, in the order of their first appearance. A key that
// is no UID names no message, and is left out.
func group(ids []mailbox.ID) []*folderIDs {
	var all []*folderIDs
	at := map[string]*folderIDs{}
	for _, id := range ids {
		name := folderName(id.Folder())
		g := at[name]
		if g == nil {
			g = &folderIDs{folder: name}
			at[name] = g
			all = append(all, g)
		}
		if n := len(g.epochs); n == 0 || g.epochs[n-1] != id.Epoch() {
			if !slices.Contains(g.epochs, id.Epoch()) {
				g.epochs = append(g.epochs, id.Epoch())
			}
		}
		if uid, ok := uidOf(id); ok {
			g.uids = append(g.uids, uid)
		}
	}
	for _, g := range all {
		slices.Sort(g.uids)
		g.uids = slices.Compact(g.uids)
	}
	return all
}

// groupSized is group for messages whose sizes the caller told, in the order of
// ids; those that are missing or not above 0 are not known.
func groupSized(ids []mailbox.ID, sizes []int64) []*folderIDs {
	all := group(ids)
	if len(sizes) == 0 {
		return all
	}
	at := map[string]*folderIDs{}
	for _, g := range all {
		g.sizes = make(map[uint32]int64, len(g.uids))
		at[g.folder] = g
	}
	for i, size := range sizes[:min(len(sizes), len(ids))] {
		if uid, ok := uidOf(ids[i]); ok && size > 0 {
			at[folderName(ids[i].Folder())].sizes[uid] = size
		}
	}
	return all
}

// stale reports whether any of the IDs is of another epoch than now.
func (g *folderIDs) stale(now uint32) bool {
	epoch := strconv.FormatUint(uint64(now), 10)
	return slices.ContainsFunc(g.epochs, func(e string) bool { return e != epoch })
}

// chunk takes up to max numbers off the front of sorted nums, as many as fit one
// command, and gives them also as an IMAP set. Only runs become ranges, so that
// the set names nothing else.
func chunk(nums []uint32, max int) (head, tail []uint32, set string) {
	var b []byte
	i := 0
	for i < len(nums) && i < max && len(b) < maxSetBytes {
		j := i + 1
		for j < len(nums) && j < max && nums[j] == nums[j-1]+1 {
			j++
		}
		if len(b) > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(nums[i]), 10)
		if j > i+1 {
			b = append(b, ':')
			b = strconv.AppendUint(b, uint64(nums[j-1]), 10)
		}
		i = j
	}
	return nums[:i], nums[i:], string(b)
}
