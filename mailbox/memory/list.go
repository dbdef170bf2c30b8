package memory

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/postroom-go/postroom/internal/memstore"
	"github.com/postroom-go/postroom/mailbox"
)

// Folders yields the folders by name, INBOX first.
func (mb *Mailbox) Folders(ctx context.Context, opts *mailbox.FoldersOptions) iter.Seq2[*mailbox.Folder, error] {
	if opts == nil {
		opts = &mailbox.FoldersOptions{}
	}
	return func(yield func(*mailbox.Folder, error) bool) {
		for _, f := range mb.user.Folders() {
			if err := mb.check(ctx); err != nil {
				yield(nil, &mailbox.Error{Op: "folders", Err: err})
				return
			}
			if _, err := mb.folder(f.Name()); err != nil {
				continue
			}
			if !yield(mb.folderOf(f, opts), nil) {
				return
			}
		}
	}
}

func (mb *Mailbox) folderOf(f *memstore.Folder, opts *mailbox.FoldersOptions) *mailbox.Folder {
	snap := f.Snapshot()
	out := &mailbox.Folder{Name: snap.Name, Role: mailbox.Role(snap.Role)}
	if mb.caps.Folders {
		out.Delimiter = memstore.Delimiter
	}
	switch {
	case snap.Name == mailbox.Inbox:
		out.Role, out.RoleSource = mailbox.RoleInbox, mailbox.RoleByProtocol
	case out.Role != "":
		out.RoleSource = mailbox.RoleByAttribute
	}
	if opts.Status {
		out.Status = mb.statusOf(snap)
	}
	return out
}

func (mb *Mailbox) statusOf(snap memstore.Snapshot) *mailbox.FolderStatus {
	st := &mailbox.FolderStatus{Messages: int64(len(snap.Messages)), Unseen: -1, Epoch: mb.epoch(snap.Epoch)}
	// A folder made anew has another epoch, and a version only grows.
	st.State = fmt.Sprintf("%d.%d", snap.Epoch, snap.Version)
	if mb.caps.Flags {
		st.Unseen = 0
		for _, m := range snap.Messages {
			if !m.Has(string(mailbox.FlagSeen)) {
				st.Unseen++
			}
		}
	}
	return st
}

// List yields a summary of each message in folder.
func (mb *Mailbox) List(ctx context.Context, folder string, opts *mailbox.ListOptions) iter.Seq2[*mailbox.Summary, error] {
	if opts == nil {
		opts = &mailbox.ListOptions{}
	}
	return func(yield func(*mailbox.Summary, error) bool) {
		fail := func(err error) { yield(nil, &mailbox.Error{Op: "list", Folder: folder, Err: err}) }
		if err := mb.check(ctx); err != nil {
			fail(err)
			return
		}
		f, err := mb.folder(folder)
		if err != nil {
			fail(err)
			return
		}
		snap := f.Snapshot()
		messages, err := mb.choose(snap, opts)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, m := range messages {
			gone, err := mb.gone(ctx, f, snap, m)
			switch {
			case err != nil:
				fail(err)
				return
			case gone:
				continue
			}
			if !yield(mb.summary(snap, m, opts.Fields.Resolve()), nil) {
				return
			}
		}
	}
}

// choose picks the messages that opts ask for, in their order.
func (mb *Mailbox) choose(snap memstore.Snapshot, opts *mailbox.ListOptions) ([]*memstore.Message, error) {
	messages := snap.Messages
	if opts.IDs != nil {
		var uids []uint32
		for _, id := range opts.IDs {
			if id.Folder() != snap.Name || id.Epoch() != mb.epoch(snap.Epoch) {
				return nil, &mailbox.Error{Op: "list", ID: id, Err: mailbox.ErrStale}
			}
			uids = append(uids, uidOf(id.Key()))
		}
		messages = pick(snap, uids)
	}
	if n := opts.Newest; n > 0 && n < len(messages) {
		messages = messages[len(messages)-n:]
	}
	if opts.Reverse {
		messages = slices.Clone(messages)
		slices.Reverse(messages)
	}
	return messages, nil
}

// pick finds the messages that are there, each once, in the folder's order.
func pick(snap memstore.Snapshot, uids []uint32) []*memstore.Message {
	uids = slices.Clone(uids)
	slices.Sort(uids)
	var messages []*memstore.Message
	for _, uid := range slices.Compact(uids) {
		if m, _ := snap.Find(uid); m != nil {
			messages = append(messages, m)
		}
	}
	return messages
}

// gone reports whether a message vanished since the snapshot, and why the loop
// must end.
func (mb *Mailbox) gone(ctx context.Context, f *memstore.Folder, then memstore.Snapshot, m *memstore.Message) (bool, error) {
	if err := mb.check(ctx); err != nil {
		return false, err
	}
	now := f.Snapshot()
	switch {
	case now.Version == then.Version:
		return false, nil
	case now.Deleted:
		return false, mailbox.ErrNotFound
	case now.Epoch != then.Epoch:
		return false, mailbox.ErrStale
	}
	found, _ := now.Find(m.UID)
	return found == nil, nil
}

// summary tells what was asked for, as far as the capabilities go.
func (mb *Mailbox) summary(snap memstore.Snapshot, m *memstore.Message, asked mailbox.Fields) *mailbox.Summary {
	s := &mailbox.Summary{ID: mb.id(snap.Name, snap.Epoch, m.UID), Fields: asked & mb.told()}
	if s.Fields.Has(mailbox.FieldFlags) {
		s.Flags = flagsOf(m.Flags())
	}
	if s.Fields.Has(mailbox.FieldSize) {
		s.Size = m.Size()
	}
	if s.Fields.Has(mailbox.FieldReceived) {
		s.Received = m.Received
	}
	if s.Fields.Has(mailbox.FieldEnvelope) {
		s.Envelope, s.Defects = mailbox.ParseEnvelope(m.Header(), mb.CharsetReader)
	}
	if s.Fields.Has(mailbox.FieldStructure) {
		// A reader over memory has no errors.
		structure, defects, _ := mailbox.ReadStructure(bytes.NewReader(m.Raw()), mb.CharsetReader)
		s.Structure = structure
		s.Defects = merge(s.Defects, defects)
	}
	return s
}

// merge adds the defects that are not in all yet: envelope and structure read
// the same header.
func merge(all, more []mailbox.Defect) []mailbox.Defect {
	for _, d := range more {
		if !slices.Contains(all, d) {
			all = append(all, d)
		}
	}
	return all
}

// told are the fields that this mailbox can tell.
func (mb *Mailbox) told() mailbox.Fields {
	f := mailbox.FieldSize
	for field, can := range map[mailbox.Fields]bool{
		mailbox.FieldFlags:     mb.caps.Flags,
		mailbox.FieldReceived:  mb.caps.Received,
		mailbox.FieldEnvelope:  mb.caps.Envelopes,
		mailbox.FieldStructure: mb.caps.Structure,
	} {
		if can {
			f |= field
		}
	}
	return f
}
