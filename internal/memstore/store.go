// Package memstore is mail in memory: users, their folders, the messages in
// them. The memory driver and the test host stand on it.
//
// Everything is safe for concurrent use. Readers take a [Snapshot] and hold no
// lock afterwards, so that one that is slow keeps nobody waiting.
package memstore

import (
	"crypto/subtle"
	"errors"
	"slices"
	"strings"
	"sync"
)

var (
	// ErrNotFound: there is no such user or folder.
	ErrNotFound = errors.New("memstore: not found")
	// ErrExists: there is one already.
	ErrExists = errors.New("memstore: exists already")
	// ErrAuth: the password is wrong, or there is no such user.
	ErrAuth = errors.New("memstore: authentication failed")
	// ErrEpoch: the folder has begun a new epoch, or was deleted.
	ErrEpoch = errors.New("memstore: the epoch has ended")
)

// Inbox is the folder that every user has. It is found in any case.
const Inbox = "INBOX"

// Delimiter separates the levels of folder names.
const Delimiter = "/"

// Store holds users.
type Store struct {
	mu    sync.RWMutex
	users map[string]*User
}

// New makes an empty store.
func New() *Store { return &Store{users: map[string]*User{}} }

// AddUser makes a user with an INBOX. A user who is there already keeps the
// mail and gets the password.
func (s *Store) AddUser(name, password string) *User {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.users[name]
	if u == nil {
		u = NewUser(name)
		s.users[name] = u
	}
	u.mu.Lock()
	u.password = password
	u.mu.Unlock()
	return u
}

// User finds a user; ErrNotFound if there is none.
func (s *Store) User(name string) (*User, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if u := s.users[name]; u != nil {
		return u, nil
	}
	return nil, ErrNotFound
}

// Login finds the user of that name and password, or gives ErrAuth.
func (s *Store) Login(name, password string) (*User, error) {
	u, err := s.User(name)
	if err != nil {
		return nil, ErrAuth
	}
	u.mu.RLock()
	defer u.mu.RUnlock()
	if subtle.ConstantTimeCompare([]byte(u.password), []byte(password)) != 1 {
		return nil, ErrAuth
	}
	return u, nil
}

// User holds folders.
type User struct {
	name string

	mu        sync.RWMutex
	password  string
	folders   map[string]*Folder
	lastEpoch uint32
}

// NewUser makes a user with an INBOX, in no store.
func NewUser(name string) *User {
	u := &User{name: name, folders: map[string]*Folder{}}
	u.folders[Inbox] = u.newFolder(Inbox, "")
	return u
}

// Name is the user's name.
func (u *User) Name() string { return u.name }

// canonical spells INBOX, which has no case, as it is kept.
func canonical(name string) string {
	if name == "" || strings.EqualFold(name, Inbox) {
		return Inbox
	}
	return name
}

// Folder finds a folder; ErrNotFound if there is none.
func (u *User) Folder(name string) (*Folder, error) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if f := u.folders[canonical(name)]; f != nil {
		return f, nil
	}
	return nil, ErrNotFound
}

// Folders lists the folders by name, INBOX first.
func (u *User) Folders() []*Folder {
	u.mu.RLock()
	defer u.mu.RUnlock()
	all := make([]*Folder, 0, len(u.folders))
	for _, f := range u.folders {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b *Folder) int {
		an, bn := a.Name(), b.Name()
		switch {
		case an == bn:
			return 0
		case an == Inbox:
			return -1
		case bn == Inbox:
			return 1
		}
		return strings.Compare(an, bn)
	})
	return all
}

// Create makes a folder. role is what it is for, in the caller's words, or
// empty. A folder of a name that was used before has a new epoch.
func (u *User) Create(name, role string) (*Folder, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.create(name, role)
}

// CreateAll is Create, and makes the folders above the new one that are missing.
func (u *User) CreateAll(name, role string) (*Folder, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f, err := u.create(name, role)
	for err == nil {
		i := strings.LastIndex(name, Delimiter)
		if i <= 0 {
			break
		}
		name = name[:i]
		if _, exists := u.create(name, ""); exists != nil {
			break // and so are those above it
		}
	}
	return f, err
}

// create needs u.mu.
func (u *User) create(name, role string) (*Folder, error) {
	name = canonical(name)
	if u.folders[name] != nil {
		return nil, ErrExists
	}
	f := u.newFolder(name, role)
	u.folders[name] = f
	return f, nil
}

// Delete removes a folder with its messages.
func (u *User) Delete(name string) error {
	u.mu.Lock()
	f := u.folders[canonical(name)]
	delete(u.folders, canonical(name))
	u.mu.Unlock()
	if f == nil {
		return ErrNotFound
	}
	f.end()
	return nil
}

// Rename gives a folder another name; its messages keep their UIDs.
func (u *User) Rename(from, to string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	from, to = canonical(from), canonical(to)
	f := u.folders[from]
	switch {
	case f == nil:
		return ErrNotFound
	case u.folders[to] != nil:
		return ErrExists
	}
	delete(u.folders, from)
	u.folders[to] = f
	f.mu.Lock()
	f.name = to
	f.mu.Unlock()
	return nil
}

// NewEpoch gives a folder a new UIDVALIDITY, and its messages new UIDs in the
// same order.
func (u *User) NewEpoch(name string) error {
	f, err := u.Folder(name)
	if err != nil {
		return err
	}
	u.mu.Lock()
	u.lastEpoch++
	epoch := u.lastEpoch
	u.mu.Unlock()
	f.newEpoch(epoch)
	return nil
}

// newFolder needs u.mu.
func (u *User) newFolder(name, role string) *Folder {
	u.lastEpoch++
	return &Folder{
		name: name, role: role, epoch: u.lastEpoch, uidNext: 1,
		subscribed: true, watchers: map[chan struct{}]bool{},
	}
}
