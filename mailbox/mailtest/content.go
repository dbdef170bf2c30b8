package mailtest

import (
	"errors"
	"fmt"
	"time"

	"github.com/postroom-go/postroom/internal/memstore"
	"github.com/postroom-go/postroom/mailbox"
)

// AddUser makes a user with an INBOX; the name is also the address at which
// SMTP delivers. For a user who is there already it changes the password.
func (h *Host) AddUser(name, password string) { h.store.AddUser(name, password) }

// Deliver adds a message as it is to a user's folder; "" is INBOX. A user or
// folder that is not there is mailbox.ErrNotFound. opts may be nil; its Size is
// not used. raw must not be changed afterwards.
func (h *Host) Deliver(user, folder string, raw []byte, opts *mailbox.AppendOptions) error {
	if opts == nil {
		opts = &mailbox.AppendOptions{}
	}
	f, err := h.folder(user, folder)
	if err == nil {
		_, _, err = f.Append(memstore.NewContent(raw), stringsOf(opts.Flags), opts.Received)
	}
	return hostError("deliver to "+user, folder, err)
}

// CreateFolder makes a folder with a role, or with none.
func (h *Host) CreateFolder(user, name string, role mailbox.Role) error {
	u, err := h.store.User(user)
	if err == nil {
		_, err = u.Create(name, string(role))
	}
	return hostError("create folder of "+user, name, err)
}

// DeleteFolder removes a folder with its messages.
func (h *Host) DeleteFolder(user, name string) error {
	u, err := h.store.User(user)
	if err == nil {
		err = u.Delete(name)
	}
	return hostError("delete folder of "+user, name, err)
}

// NewEpoch gives a folder a new UIDVALIDITY and its messages new UIDs and
// UIDLs. IMAP sessions that have it selected end with a BYE.
func (h *Host) NewEpoch(user, folder string) error {
	u, err := h.store.User(user)
	if err == nil {
		err = u.NewEpoch(folder)
	}
	return hostError("new epoch of "+user, folder, err)
}

// Stored is a message as the host has it.
type Stored struct {
	// UID is its IMAP UID.
	UID uint32
	// Raw is the message itself. It must not be changed.
	Raw []byte
	// Flags are its flags.
	Flags []mailbox.Flag
	// Received is its internal date.
	Received time.Time
}

// Messages lists what a folder holds, oldest first.
func (h *Host) Messages(user, folder string) ([]Stored, error) {
	f, err := h.folder(user, folder)
	if err != nil {
		return nil, hostError("messages of "+user, folder, err)
	}
	var all []Stored
	for _, m := range f.Snapshot().Messages {
		s := Stored{UID: m.UID, Raw: m.Raw(), Received: m.Received}
		for _, flag := range m.Flags() {
			s.Flags = append(s.Flags, mailbox.Flag(flag))
		}
		all = append(all, s)
	}
	return all, nil
}

func (h *Host) folder(user, folder string) (*memstore.Folder, error) {
	u, err := h.store.User(user)
	if err != nil {
		return nil, err
	}
	return u.Folder(folder)
}

func stringsOf(flags []mailbox.Flag) []string {
	all := make([]string, len(flags))
	for i, f := range flags {
		all[i] = string(f)
	}
	return all
}

// hostError makes an error of this module of one of the store's.
func hostError(op, folder string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, memstore.ErrNotFound):
		err = mailbox.ErrNotFound
	case errors.Is(err, memstore.ErrExists):
		err = mailbox.ErrExists
	default:
		err = fmt.Errorf("store: %w", err)
	}
	return &mailbox.Error{Op: op, Folder: folder, Err: err}
}
