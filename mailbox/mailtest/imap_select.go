package mailtest

import (
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/postroom-go/postroom/internal/memstore"
	"github.com/postroom-go/postroom/mailbox"
)

var errReadOnly = imapErr("READ-ONLY", "the mailbox was opened with EXAMINE")

// Select implements imapserver.Session.
func (s *imapSession) Select(name string, o *imap.SelectOptions) (*imap.SelectData, error) {
	f, err := s.user.Folder(name)
	if err != nil {
		return nil, storeErr(err)
	}
	v, snap := newView(f, o.ReadOnly)
	s.view, s.saved = v, nil
	d := &imap.SelectData{
		Flags:       []imap.Flag{imap.FlagAnswered, imap.FlagFlagged, imap.FlagDeleted, imap.FlagSeen, imap.FlagDraft},
		NumMessages: uint32(len(snap.Messages)),
		UIDNext:     imap.UID(snap.UIDNext),
		UIDValidity: snap.Epoch,
	}
	for i, flags := range v.told {
		seen := false
		for _, flag := range flags {
			seen = seen || flag == string(mailbox.FlagSeen)
			if !strings.HasPrefix(flag, `\`) && !slices.Contains(d.Flags, imap.Flag(flag)) {
				d.Flags = append(d.Flags, imap.Flag(flag))
			}
		}
		if !seen && d.FirstUnseenSeqNum == 0 {
			d.FirstUnseenSeqNum = uint32(i + 1)
		}
	}
	if !o.ReadOnly {
		d.PermanentFlags = append(slices.Clone(d.Flags), `\*`)
	}
	return d, nil
}

// Unselect implements imapserver.Session.
func (s *imapSession) Unselect() error {
	s.view = nil
	return nil
}

// Store implements imapserver.Session.
func (s *imapSession) Store(w *imapserver.FetchWriter, set imap.NumSet, flags *imap.StoreFlags, _ *imap.StoreOptions) error {
	v := s.view
	if v.readOnly {
		return errReadOnly
	}
	at := v.indexes(set, s.saved)
	_, err := v.folder.SetFlags(v.epoch, v.uids(at), func(old []string) []string { return storeFlags(old, flags) })
	if err != nil {
		return s.alive(err)
	}
	_, byUID := set.(imap.UIDSet)
	for _, i := range at {
		m := v.messages[i]
		v.told[i] = m.Flags()
		if flags.Silent {
			continue
		}
		rw := w.CreateMessage(uint32(i + 1))
		if byUID {
			rw.WriteUID(imap.UID(m.UID))
		}
		rw.WriteFlags(imapFlags(v.told[i]))
		if err := rw.Close(); err != nil {
			return err
		}
	}
	return nil
}

// storeFlags is what STORE makes of a message's flags.
func storeFlags(old []string, f *imap.StoreFlags) []string {
	names := flagStrings(f.Flags)
	switch f.Op {
	case imap.StoreFlagsAdd:
		return slices.Concat(old, names)
	case imap.StoreFlagsDel:
		return slices.DeleteFunc(slices.Clone(old), func(o string) bool {
			return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, o) })
		})
	}
	return names
}

// Expunge implements imapserver.Session.
func (s *imapSession) Expunge(w *imapserver.ExpungeWriter, uids *imap.UIDSet) error {
	v := s.view
	switch {
	case v.readOnly && s.front.underWay() == "CLOSE":
		return nil // it closes without removing (RFC 9051 section 6.4.1)
	case v.readOnly:
		return errReadOnly
	}
	set := imap.NumSet(imap.SeqSet{{Start: 1}}) // 1:*
	if uids != nil {
		set = *uids
	}
	var doomed []uint32
	for _, i := range v.indexes(set, s.saved) {
		if m := v.messages[i]; m.Has(string(mailbox.FlagDeleted)) {
			doomed = append(doomed, m.UID)
		}
	}
	return s.remove(doomed, w.WriteExpunge)
}

// remove removes messages and tells it.
func (s *imapSession) remove(doomed []uint32, tell func(seq uint32) error) error {
	v := s.view
	if err := v.folder.Remove(v.epoch, doomed); err != nil {
		return s.alive(err)
	}
	_, err := v.drop(v.folder.Snapshot(), tell, true)
	return err
}

// Copy implements imapserver.Session.
func (s *imapSession) Copy(set imap.NumSet, name string) (*imap.CopyData, error) {
	return s.copyTo(s.view.indexes(set, s.saved), name)
}

func (s *imapSession) copyTo(at []int, name string) (*imap.CopyData, error) {
	dest, err := s.user.Folder(name)
	if err != nil {
		return nil, imapErr(imap.ResponseCodeTryCreate, "no such mailbox")
	}
	var data imap.CopyData
	for _, i := range at {
		m := s.view.messages[i]
		n, epoch, err := dest.Append(m.Content, m.Flags(), m.Received)
		if err != nil {
			return nil, storeErr(memstore.ErrNotFound)
		}
		data.UIDValidity = epoch
		data.SourceUIDs.AddNum(imap.UID(m.UID))
		data.DestUIDs.AddNum(imap.UID(n.UID))
	}
	if !s.uidplus() || len(at) == 0 {
		return nil, nil
	}
	return &data, nil
}

// Move implements imapserver.SessionMove.
func (s *imapSession) Move(w *imapserver.MoveWriter, set imap.NumSet, name string) error {
	if s.view.readOnly {
		return errReadOnly
	}
	at := s.view.indexes(set, s.saved)
	data, err := s.copyTo(at, name)
	if err != nil || len(at) == 0 {
		return err
	}
	if err := w.WriteCopyData(data); err != nil {
		return err
	}
	return s.remove(s.view.uids(at), w.WriteExpunge)
}
