package mailtest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/postroom-go/postroom/internal/memstore"
	"github.com/postroom-go/postroom/mailbox"
)

// defaultAppendLimit is the largest message that is taken where Options say
// nothing.
const defaultAppendLimit = 100 << 20

// quiet drops what server modules would log: the transcript has it.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// newIMAP makes the server. What it should not advertise imapFront takes out.
func (h *Host) newIMAP() *imapserver.Server {
	caps := imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapLiteralPlus: {}}
	if h.opts.IMAP != IMAPBare {
		for _, c := range imapCaps {
			caps[imap.Cap(c)] = struct{}{}
		}
	}
	if h.opts.IMAP == IMAPRev2 {
		caps[imap.CapIMAP4rev2] = struct{}{}
	}
	return imapserver.New(&imapserver.Options{
		NewSession: func(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			f, ok := c.NetConn().(*imapFront)
			if !ok {
				return nil, nil, errors.New("mailtest: foreign connection")
			}
			s := &imapSession{host: h, conn: c, front: f}
			f.flip = s.flip
			return s, nil, nil
		},
		Caps:         caps,
		Logger:       quiet{},
		InsecureAuth: true, // imapFront sees to it
	})
}

// serveIMAP gives the connections of ln to the server.
func (h *Host) serveIMAP(ln net.Listener, implicit bool) {
	q := &queueListener{Listener: ln, conns: make(chan net.Conn), done: h.done}
	h.wg.Go(func() { _ = h.imap.Serve(q) })
	h.accept(ln, "imap", implicit, func(f *front) {
		select {
		case q.conns <- &imapFront{front: f, wanted: -1}:
		case <-h.done:
			f.end()
			h.untrack(f)
		}
	})
}

// queueListener is a net.Listener of connections that have been prepared.
type queueListener struct {
	net.Listener
	conns chan net.Conn
	done  <-chan struct{}
}

func (q *queueListener) Accept() (net.Conn, error) {
	select {
	case nc := <-q.conns:
		return nc, nil
	case <-q.done:
		return nil, net.ErrClosed
	}
}

// imapSession is one client's session over the store. Its methods are called
// one after the other, but for Idle's.
type imapSession struct {
	host  *Host
	conn  *imapserver.Conn
	front *imapFront
	user  *memstore.User
	view  *imapView // nil if no folder is selected
	// saved is what the last SEARCH RETURN (SAVE) found (RFC 5182).
	saved imap.UIDSet
}

var (
	_ imapserver.SessionIMAP4rev2   = (*imapSession)(nil)
	_ imapserver.SessionAppendLimit = (*imapSession)(nil)
)

// imapErr is a NO with a response code.
func imapErr(code imap.ResponseCode, text string) error {
	return &imap.Error{Type: imap.StatusResponseTypeNo, Code: code, Text: text}
}

// storeErr makes a NO of the store's error.
func storeErr(err error) error {
	switch {
	case errors.Is(err, memstore.ErrNotFound):
		return imapErr(imap.ResponseCodeNonExistent, "no such mailbox")
	case errors.Is(err, memstore.ErrExists):
		return imapErr(imap.ResponseCodeAlreadyExists, "there is one already")
	}
	return err
}

// flip ends the epoch of a folder of the user.
func (s *imapSession) flip(folder string) {
	if s.user != nil {
		_ = s.user.NewEpoch(folder)
	}
}

// uidplus reports whether this flavour tells UIDs of what was added.
func (s *imapSession) uidplus() bool { return s.host.opts.IMAP != IMAPBare }

// Close implements imapserver.Session.
func (s *imapSession) Close() error {
	_ = s.front.Close()
	s.host.untrack(s.front.front)
	return nil
}

// Login implements imapserver.Session.
func (s *imapSession) Login(user, password string) error {
	u, err := s.host.store.Login(user, password)
	if err != nil {
		return imapserver.ErrAuthFailed
	}
	s.user = u
	return nil
}

// AppendLimit implements imapserver.SessionAppendLimit.
func (s *imapSession) AppendLimit() uint32 {
	if n := s.host.opts.AppendLimit; n > 0 {
		return n
	}
	return defaultAppendLimit
}

// Namespace implements imapserver.SessionNamespace.
func (s *imapSession) Namespace() (*imap.NamespaceData, error) {
	return &imap.NamespaceData{Personal: []imap.NamespaceDescriptor{{Delim: '/'}}}, nil
}

// Create implements imapserver.Session.
func (s *imapSession) Create(name string, o *imap.CreateOptions) error {
	role := ""
	if len(o.SpecialUse) > 0 {
		role = strings.ToLower(strings.TrimPrefix(string(o.SpecialUse[0]), `\`))
	}
	_, err := s.user.CreateAll(strings.TrimRight(name, memstore.Delimiter), role)
	return storeErr(err)
}

// Delete implements imapserver.Session.
func (s *imapSession) Delete(name string) error {
	if strings.EqualFold(name, memstore.Inbox) {
		return imapErr(imap.ResponseCodeCannot, "INBOX stays")
	}
	return storeErr(s.user.Delete(name))
}

// Rename implements imapserver.Session.
func (s *imapSession) Rename(from, to string, _ *imap.RenameOptions) error {
	return storeErr(s.user.Rename(from, strings.TrimRight(to, memstore.Delimiter)))
}

// Subscribe implements imapserver.Session.
func (s *imapSession) Subscribe(name string) error { return s.subscribe(name, true) }

// Unsubscribe implements imapserver.Session.
func (s *imapSession) Unsubscribe(name string) error { return s.subscribe(name, false) }

func (s *imapSession) subscribe(name string, on bool) error {
	f, err := s.user.Folder(name)
	if err != nil {
		return storeErr(err)
	}
	f.Subscribe(on)
	return nil
}

// List implements imapserver.Session.
func (s *imapSession) List(w *imapserver.ListWriter, ref string, patterns []string, o *imap.ListOptions) error {
	if len(patterns) == 0 {
		return w.WriteList(&imap.ListData{Attrs: []imap.MailboxAttr{imap.MailboxAttrNoSelect}, Delim: '/'})
	}
	folders := s.user.Folders()
	for _, f := range folders {
		name := f.Name()
		if !slices.ContainsFunc(patterns, func(p string) bool { return imapserver.MatchList(name, '/', ref, p) }) ||
			o.SelectSubscribed && !f.Subscribed() || o.SelectSpecialUse && f.Role() == "" {
			continue
		}
		if err := w.WriteList(s.listData(f, folders, o)); err != nil {
			return err
		}
	}
	return nil
}

func (s *imapSession) listData(f *memstore.Folder, all []*memstore.Folder, o *imap.ListOptions) *imap.ListData {
	d := &imap.ListData{Mailbox: f.Name(), Delim: '/'}
	if s.host.opts.IMAP != IMAPBare {
		d.Attrs = append(d.Attrs, children(f, all))
		if role := f.Role(); role != "" {
			d.Attrs = append(d.Attrs, roleAttr(role))
		}
		if o.ReturnSubscribed && f.Subscribed() {
			d.Attrs = append(d.Attrs, imap.MailboxAttrSubscribed)
		}
	}
	if o.ReturnStatus != nil {
		d.Status = statusData(f, o.ReturnStatus)
	}
	return d
}

func children(f *memstore.Folder, all []*memstore.Folder) imap.MailboxAttr {
	under := f.Name() + memstore.Delimiter
	if slices.ContainsFunc(all, func(g *memstore.Folder) bool { return strings.HasPrefix(g.Name(), under) }) {
		return imap.MailboxAttrHasChildren
	}
	return imap.MailboxAttrHasNoChildren
}

// roleAttr is the special-use attribute of a mailbox.Role (RFC 6154).
func roleAttr(role string) imap.MailboxAttr {
	return imap.MailboxAttr(`\` + strings.ToUpper(role[:1]) + role[1:])
}

// Status implements imapserver.Session.
func (s *imapSession) Status(name string, o *imap.StatusOptions) (*imap.StatusData, error) {
	f, err := s.user.Folder(name)
	if err != nil {
		return nil, storeErr(err)
	}
	return statusData(f, o), nil
}

func statusData(f *memstore.Folder, o *imap.StatusOptions) *imap.StatusData {
	snap := f.Snapshot()
	var unseen, deleted, recent uint32
	var size int64
	if o.NumUnseen || o.NumDeleted || o.Size || o.DeletedStorage {
		for _, m := range snap.Messages {
			size += m.Size()
			if !m.Has(string(mailbox.FlagSeen)) {
				unseen++
			}
			if m.Has(string(mailbox.FlagDeleted)) {
				deleted++
			}
		}
	}
	n, freed := uint32(len(snap.Messages)), int64(0)
	return &imap.StatusData{
		Mailbox: snap.Name, NumMessages: &n, UIDNext: imap.UID(snap.UIDNext), UIDValidity: snap.Epoch,
		NumUnseen: &unseen, NumDeleted: &deleted, Size: &size, NumRecent: &recent, DeletedStorage: &freed,
	}
}

// Append implements imapserver.Session.
func (s *imapSession) Append(name string, r imap.LiteralReader, o *imap.AppendOptions) (*imap.AppendData, error) {
	f, err := s.user.Folder(name)
	if err != nil {
		return nil, imapErr(imap.ResponseCodeTryCreate, "no such mailbox")
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	if int64(len(raw)) != r.Size() {
		return nil, fmt.Errorf("literal of %d octets: %w", r.Size(), io.ErrUnexpectedEOF)
	}
	m, epoch, err := f.Append(memstore.NewContent(raw), flagStrings(o.Flags), o.Time)
	if err != nil {
		return nil, imapErr(imap.ResponseCodeTryCreate, "no such mailbox")
	}
	if !s.uidplus() {
		return nil, nil
	}
	return &imap.AppendData{UID: imap.UID(m.UID), UIDValidity: epoch}, nil
}

func flagStrings(flags []imap.Flag) []string {
	all := make([]string, len(flags))
	for i, f := range flags {
		all[i] = string(f)
	}
	return all
}

func imapFlags(all []string) []imap.Flag {
	flags := make([]imap.Flag, len(all))
	for i, f := range all {
		flags[i] = imap.Flag(f)
	}
	return flags
}
