package imapsrc

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/postroom-go/postroom/internal/imapwire"
	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/mailbox"
)

// Bounds of what a server can say about folders. A list of more than 100,000
// folders is ErrTooLarge (the guard's count of responses).
const (
	maxFolderName = 1000
	statusAhead   = 50        // STATUS commands under way
	maxModSeq     = 1<<63 - 1 // RFC 7162 section 3.1
)

// Folders yields the account's folders: see mailbox.Mailbox. All are read
// before the first is yielded, since one folder's role depends on the others.
// A folder whose name the server writes wrongly is yielded under the octets
// that came, with a defect, and can be used by that name.
func (m *Mailbox) Folders(ctx context.Context, opts *mailbox.FoldersOptions) iter.Seq2[*mailbox.Folder, error] {
	status := opts != nil && opts.Status
	return func(yield func(*mailbox.Folder, error) bool) {
		var all []*mailbox.Folder
		own, end := m.begin(ctx)
		err := m.do(own, want{}, true, func(s *session) (err error) {
			all, err = s.folders(status)
			return err
		})
		end(nil)
		if err != nil {
			yield(nil, opError("folders", "", mailbox.ID{}, ended(ctx, err)))
			return
		}
		for _, f := range all {
			if ctx.Err() != nil {
				yield(nil, opError("folders", "", mailbox.ID{}, mailconn.ContextError(ctx)))
				return
			}
			if !yield(f, nil) {
				return
			}
		}
	}
}

// folders asks for everything, with the richest command that the server takes.
func (s *session) folders(status bool) ([]*mailbox.Folder, error) {
	returns := s.returnOptions(status)
	if status && s.sel.folder != "" {
		// Of the folder that is selected some servers (Dovecot) tell the status
		// that this session has seen last; a NOOP lets it see what is new.
		if err := s.wire.Ahead("NOOP"); err != nil {
			return nil, err
		}
	}
	all, err := s.listFolders(returns)
	var refusal *StatusError
	if returns != "" && errors.As(s.reason(err, phaseOther), &refusal) && refusal.Kind != "BYE" {
		s.m.learnt.noReturn.Store(true)
		returns = ""
		all, err = s.listFolders("")
	}
	if err != nil {
		return nil, err
	}
	rolesByName(all)
	if status && !strings.Contains(returns, "STATUS") {
		err = s.askStatus(all)
	}
	return all, err
}

// returnOptions are LIST's (RFC 5258, RFC 5819, RFC 6154), "" for none.
func (s *session) returnOptions(status bool) string {
	if s.m.learnt.noReturn.Load() || !s.caps["LIST-EXTENDED"] && !s.caps.listStatus() {
		return ""
	}
	var items []string
	if s.caps.specialUse() {
		items = append(items, "SPECIAL-USE")
	}
	if status && s.caps.listStatus() {
		items = append(items, "STATUS "+s.statusItems())
	}
	if len(items) == 0 {
		return ""
	}
	return "RETURN (" + strings.Join(items, " ") + ")"
}

// statusItems are what STATUS is asked for. What the server does not offer it
// would refuse, or leave the folder out for.
func (s *session) statusItems() string {
	if s.caps.condStore() {
		return "(MESSAGES UNSEEN UIDVALIDITY UIDNEXT HIGHESTMODSEQ)"
	}
	return "(MESSAGES UNSEEN UIDVALIDITY UIDNEXT)"
}

// listFolders lists every folder, each once, INBOX among them.
func (s *session) listFolders(returns string) ([]*mailbox.Folder, error) {
	name, args := "LIST", []imapwire.Arg{imapwire.String(""), imapwire.Raw(`"*"`)}
	if s.caps["XLIST"] && !s.caps.specialUse() {
		name = "XLIST"
	}
	if returns != "" {
		args = append(args, imapwire.Raw(returns))
	}
	cmd, err := s.wire.Start(name, args...)
	if err != nil {
		return nil, err
	}
	var all []*mailbox.Folder
	byName := map[string]*mailbox.Folder{}
	for r, err := range each(cmd) {
		if err != nil {
			return nil, err
		}
		if r.Name == "STATUS" {
			s.m.noteStatus(r, byName)
			continue
		}
		f := s.m.decodeFolder(r)
		if f == nil || byName[f.Name] != nil {
			continue
		}
		f.Role, f.RoleSource = roleOf(f, r.Name == "XLIST")
		byName[f.Name] = f
		all = append(all, f)
	}
	if byName[mailbox.Inbox] == nil {
		all = append(all, &mailbox.Folder{Name: mailbox.Inbox, Role: mailbox.RoleInbox, RoleSource: mailbox.RoleByProtocol})
	}
	return all, nil
}

// decodeFolder reads a LIST or XLIST response; nil if it names no folder that
// could be used.
func (m *Mailbox) decodeFolder(r *imapwire.Response) *mailbox.Folder {
	if r.Name != "LIST" && r.Name != "XLIST" {
		return nil
	}
	l, err := r.List()
	if err != nil {
		m.logf("unreadable folder", "response", mailconn.ServerText(string(r.Raw())))
		return nil
	}
	if len(l.Raw) > maxFolderName {
		m.logf("folder with a name that is too long", "octets", len(l.Raw))
		return nil
	}
	f := &mailbox.Folder{Delimiter: l.Delim, Attributes: l.Attrs}
	for _, a := range l.Attrs {
		if strings.EqualFold(a, `\Noselect`) || strings.EqualFold(a, `\NonExistent`) {
			f.NoSelect = true
		}
	}
	if l.Guessed {
		f.Defects = append(f.Defects, "name: not quoted")
	}
	var decoded bool
	if f.Name, decoded = m.decodeName(l.Raw); !decoded {
		f.Defects = append(f.Defects, "name: not in modified UTF-7")
		m.learnt.rawNames.Store(l.Raw, true)
	}
	return f
}

// decodeName decodes a folder's name; one that is not decoded is used as it came.
func (m *Mailbox) decodeName(raw string) (name string, decoded bool) {
	if m.offers.rev2Only() && utf8.ValidString(raw) {
		return folderName(raw), true
	}
	if name, decoded = imapwire.DecodeMailbox(raw); decoded {
		return folderName(name), true
	}
	return folderName(raw), false
}

// noteStatus takes in a STATUS response.
func (m *Mailbox) noteStatus(r *imapwire.Response, byName map[string]*mailbox.Folder) {
	told, err := r.FolderStatus()
	if err != nil {
		return
	}
	name, _ := m.decodeName(told.Raw)
	f := byName[name]
	if f == nil {
		return
	}
	f.Status = statusOf(told.Counts)
	if n := f.Status.Messages; 0 <= n && n <= math.MaxUint32 {
		m.learnt.counts.Store(f.Name, uint32(n))
	}
}

// statusOf makes a status of what the server told.
func statusOf(counts map[string]uint64) *mailbox.FolderStatus {
	st := &mailbox.FolderStatus{Messages: -1, Unseen: -1}
	for item, n := range counts {
		switch {
		case n > 1<<32:
		case item == "MESSAGES":
			st.Messages = int64(n)
		case item == "UNSEEN":
			st.Unseen = int64(n)
		case item == "UIDVALIDITY":
			st.Epoch = strconv.FormatUint(n, 10)
		}
	}
	st.State = stateOf(counts)
	return st
}

// stateOf tells states of a folder apart: a message that comes raises UIDNEXT,
// and one that goes lowers MESSAGES; either brings another HIGHESTMODSEQ. It is
// empty if the server did not tell the first three, or nonsense.
func stateOf(counts map[string]uint64) string {
	epoch, next, messages := counts["UIDVALIDITY"], counts["UIDNEXT"], counts["MESSAGES"]
	if _, told := counts["MESSAGES"]; !told || epoch == 0 || next == 0 || max(epoch, next, messages) > math.MaxUint32 {
		return ""
	}
	state := fmt.Sprintf("%d.%d.%d", epoch, next, messages)
	if seq := counts["HIGHESTMODSEQ"]; seq > 0 && seq <= maxModSeq {
		state += fmt.Sprintf(".%d", seq)
	}
	return state
}

// askStatus asks for the status of each folder, some dozens ahead. A folder that
// refuses has none.
func (s *session) askStatus(all []*mailbox.Folder) error {
	byName := map[string]*mailbox.Folder{}
	var ask []*mailbox.Folder
	for _, f := range all {
		if !f.NoSelect {
			byName[f.Name] = f
			ask = append(ask, f)
		}
	}
	for len(ask) > 0 {
		n := min(len(ask), statusAhead)
		var cmds []*imapwire.Command
		for _, f := range ask[:n] {
			cmd, err := s.wire.Start("STATUS", s.m.folderArg(f.Name), imapwire.Raw(s.statusItems()))
			if err != nil {
				continue
			}
			cmds = append(cmds, cmd)
		}
		ask = ask[n:]
		for _, cmd := range cmds {
			for r, err := range each(cmd) {
				var status *imapwire.Status
				if errors.As(err, &status) && status.Kind != "BYE" {
					break
				}
				if err != nil {
					return err
				}
				if r.Name == "STATUS" {
					s.m.noteStatus(r, byName)
				}
			}
		}
	}
	return nil
}

// ended gives a context's own error in place of what its end led to.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && contextErr(err) {
		return mailconn.ContextError(ctx)
	}
	return err
}
