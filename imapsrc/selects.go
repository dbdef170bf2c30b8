package imapsrc

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/postroom-go/postroom/internal/imapwire"
	"github.com/postroom-go/postroom/mailbox"
)

// selectFolder makes w's folder the selected one: EXAMINE, which changes
// nothing, to read, and SELECT to change. A folder that is selected already
// stays, but what is known of it may be old.
func (s *session) selectFolder(w want) error {
	if w.folder == "" || w.later || w.folder == s.sel.folder && (s.sel.writable || !w.write) {
		return nil
	}
	return s.selectNow(w)
}

func (s *session) selectNow(w want) error {
	cmd, err := s.startSelect(w)
	if err != nil {
		return err
	}
	return s.endSelect(w, cmd)
}

// startSelect queues the command. No folder is selected until endSelect.
func (s *session) startSelect(w want) (*imapwire.Command, error) {
	name := "EXAMINE"
	if w.write {
		name = "SELECT"
	}
	s.sel = selection{}
	if len(w.folder) > maxFolderName {
		return nil, mailbox.ErrNotFound
	}
	cmd, err := s.wire.Start(name, s.m.folderArg(w.folder))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", mailbox.ErrNotFound, err) // no folder has such a name
	}
	return cmd, nil
}

// endSelect reads the answer.
func (s *session) endSelect(w want, cmd *imapwire.Command) error {
	sel := selection{folder: w.folder, writable: w.write, anyFlag: true}
	for r, err := range each(cmd) {
		if err != nil {
			return s.selectError(w, err)
		}
		sel.note(r)
	}
	if st, _ := cmd.Wait(); st != nil && st.Code == "READ-ONLY" && w.write {
		return fmt.Errorf("%w: the folder is read-only", mailbox.ErrPermission)
	}
	if sel.epoch == 0 {
		return &protocolError{"the folder has no UIDVALIDITY, without which no message can be named"}
	}
	s.sel = sel
	s.m.learnt.counts.Store(w.folder, sel.exists)
	s.expunged.Store(0)
	return nil
}

// note takes in one response to SELECT or EXAMINE (RFC 9051 section 6.3.2).
func (sel *selection) note(r *imapwire.Response) {
	switch r.Name {
	case "EXISTS":
		sel.exists = r.Num
	case "OK":
		if r.Status == nil {
			return
		}
		switch r.Status.Code {
		case "UIDVALIDITY":
			sel.epoch = number32(r.Status.Args)
		case "UIDNEXT":
			sel.uidNext = number32(r.Status.Args)
		case "PERMANENTFLAGS":
			sel.perm, sel.anyFlag = flagsOf(r.Status.Args)
		}
	}
}

// selectError gives a refusal its meaning: without a response code it may be a
// folder that is not there, which LIST can tell.
func (s *session) selectError(w want, err error) error {
	err = s.reason(err, phaseSelect)
	status, ok := err.(*StatusError)
	if !ok || status.Kind != "NO" || status.sentinel != nil || w.folder == mailbox.Inbox {
		return err
	}
	if there, lerr := s.selectable(w.folder); lerr == nil && !there {
		status.sentinel = mailbox.ErrNotFound
	}
	return status
}

// selectable asks whether there is a folder of that name that can be selected.
func (s *session) selectable(folder string) (bool, error) {
	if strings.ContainsAny(folder, "*%") {
		return true, nil // LIST would take it for a pattern
	}
	cmd, err := s.wire.Start("LIST", imapwire.String(""), s.m.folderArg(folder))
	if err != nil {
		return false, err
	}
	there := false
	for r, err := range each(cmd) {
		if err != nil {
			return false, err
		}
		if f := s.m.decodeFolder(r); f != nil {
			there = there || !f.NoSelect
		}
	}
	return there, nil
}

func number32(s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}
