package memory

import (
	"sync/atomic"

	"github.com/postroom-go/postroom/internal/memstore"
	"github.com/postroom-go/postroom/mailbox"
)

// Store is the mail of one account. Its methods act as another program would,
// whatever the capabilities of the mailboxes on it; these see the result at
// once. It is safe for concurrent use.
type Store struct {
	user     *memstore.User
	sessions atomic.Int64
}

// NewStore makes a store with an empty INBOX.
func NewStore() *Store { return &Store{user: memstore.NewUser("memory")} }

// Deliver adds a message as it is to the end of a folder; "" is INBOX. A folder
// that is not there is ErrNotFound. opts may be nil; its Size is not used. raw
// must not be changed afterwards.
func (s *Store) Deliver(folder string, raw []byte, opts *mailbox.AppendOptions) error {
	if opts == nil {
		opts = &mailbox.AppendOptions{}
	}
	f, err := s.user.Folder(folder)
	if err == nil {
		_, _, err = f.Append(memstore.NewContent(raw), stringsOf(opts.Flags), opts.Received)
	}
	return storeError("deliver", folder, err)
}

// CreateFolder makes a folder with a role, or with none. One that is there
// already is ErrExists.
func (s *Store) CreateFolder(name string, role mailbox.Role) error {
	_, err := s.user.Create(name, string(role))
	return storeError("create folder", name, err)
}

// DeleteFolder removes a folder with its messages.
func (s *Store) DeleteFolder(name string) error {
	return storeError("delete folder", name, s.user.Delete(name))
}

// NewEpoch ends a folder's epoch: its messages stay and get new IDs, and the
// old ones are stale.
func (s *Store) NewEpoch(folder string) error {
	return storeError("new epoch", folder, s.user.NewEpoch(folder))
}

// storeError makes an error of package mailbox of one of the store's; others
// are wrapped as they are.
func storeError(op, folder string, err error) error {
	switch err {
	case nil:
		return nil
	case memstore.ErrNotFound:
		err = mailbox.ErrNotFound
	case memstore.ErrExists:
		err = mailbox.ErrExists
	case memstore.ErrEpoch:
		err = mailbox.ErrStale
	}
	return &mailbox.Error{Op: op, Folder: folder, Err: err}
}

func stringsOf(flags []mailbox.Flag) []string {
	all := make([]string, len(flags))
	for i, f := range flags {
		all[i] = string(f)
	}
	return all
}

func flagsOf(all []string) []mailbox.Flag {
	flags := make([]mailbox.Flag, len(all))
	for i, f := range all {
		flags[i] = mailbox.Flag(f)
	}
	return flags
}
