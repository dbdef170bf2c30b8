package imapsrc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/postroom-go/postroom/internal/imapwire"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/folders"
)

// CreateFolder makes a folder and subscribes to it, since many programs show no
// others: see folders.Create. The server makes the folders above it, and
// keeps the role where it offers CREATE-SPECIAL-USE (RFC 6154 section 3). If an
// answer was lost, a folder of that name that is there afterwards counts as made.
func (m *Mailbox) CreateFolder(ctx context.Context, name string, opts *folders.CreateOptions) error {
	if opts == nil {
		opts = &folders.CreateOptions{}
	}
	c := &creating{m: m, folder: folderName(name), use: useOf(opts.Role)}
	if err := c.run(ctx); err != nil {
		return opError("create folder", c.folder, mailbox.ID{}, err)
	}
	return nil
}

// creating is one CreateFolder.
type creating struct {
	m      *Mailbox
	folder string
	use    string // the attribute of its role, "" for none
	sent   bool   // CREATE was sent and its answer has not come
	lost   bool   // ... and never will
}

func (c *creating) run(ctx context.Context) error {
	if err := c.check(); err != nil {
		return err
	}
	own, end := c.m.begin(ctx)
	defer end(nil)
	for try := 0; ; try++ {
		err, gone := c.m.exchange(own, want{}, c.talk)
		if err == nil {
			return nil
		}
		if c.sent {
			c.sent, c.lost = false, true
		}
		if !gone || try == retries || ctx.Err() != nil {
			return c.reason(ended(ctx, err))
		}
		if err := sleep(own, pause(try+1)); err != nil {
			return c.reason(ended(ctx, err))
		}
	}
}

// check refuses what needs no server to be refused.
func (c *creating) check() error {
	if c.folder == mailbox.Inbox {
		return mailbox.ErrExists
	}
	if len(c.folder) > maxFolderName {
		return fmt.Errorf("the folder's name has more than %d octets: choose a shorter one", maxFolderName)
	}
	if _, raw := c.m.learnt.rawNames.Load(c.folder); raw {
		return mailbox.ErrExists // the server has told it
	}
	_, err := imapwire.EncodeMailbox(c.folder)
	return err
}

// reason gives a failure its meaning: it may be that nobody knows.
func (c *creating) reason(err error) error {
	var status *StatusError
	if c.lost && (!errors.As(err, &status) || status.Kind == "BYE") {
		return unknownOutcome(err)
	}
	return err
}

func (c *creating) talk(s *session) error {
	if err := s.freshen(); err != nil {
		return err
	}
	if c.lost {
		if there, err := s.listed(c.folder); err != nil || there {
			return s.reason(err, phaseOther)
		}
	}
	err := c.create(s)
	if c.lost && errors.Is(err, mailbox.ErrExists) {
		err = nil // the lost one came through after all
	}
	if err != nil {
		return err
	}
	if _, err := s.command("SUBSCRIBE", c.m.folderArg(c.folder)); err != nil {
		c.m.logf("not subscribed to a new folder", "folder", c.folder, "error", s.reason(err, phaseOther))
	}
	return nil
}

// create makes the folder, with its role if the server takes that.
func (c *creating) create(s *session) error {
	if c.use != "" && s.caps["CREATE-SPECIAL-USE"] {
		err := c.command(s, imapwire.Raw("(USE ("+c.use+"))"))
		var status *StatusError
		if !errors.As(err, &status) || status.Code != "USEATTR" && status.Kind != "BAD" {
			return c.refusal(s, err)
		}
		c.m.logf("the server does not keep a folder's role", "folder", c.folder, "error", err)
	}
	return c.refusal(s, c.command(s))
}

// command sends a CREATE and notes whether its answer came.
func (c *creating) command(s *session, more ...imapwire.Arg) error {
	c.sent = true
	_, err := s.command("CREATE", append([]imapwire.Arg{c.m.folderArg(c.folder)}, more...)...)
	err = s.reason(err, phaseAppend) // OVERQUOTA means what it says
	var status *StatusError
	if err == nil || errors.As(err, &status) && status.Kind != "BYE" {
		c.sent = false
	}
	return err
}

// refusal gives a NO without a plain code its meaning: LIST can tell whether the
// folder exists.
func (c *creating) refusal(s *session, err error) error {
	status, ok := err.(*StatusError)
	if !ok || status.Kind != "NO" || status.sentinel != nil {
		return err
	}
	if there, lerr := s.listed(c.folder); lerr == nil && there {
		status.sentinel = mailbox.ErrExists
	}
	return status
}

// listed asks whether there is a folder of that name, be it only to hold others.
func (s *session) listed(folder string) (bool, error) {
	cmd, err := s.wire.Start("LIST", imapwire.String(""), s.m.folderArg(folder))
	if err != nil {
		return false, err
	}
	pattern, there := strings.ContainsAny(folder, "*%"), false // LIST knows no quoting of these
	for r, err := range each(cmd) {
		if err != nil {
			return false, err
		}
		if f := s.m.decodeFolder(r); f != nil && (!pattern || f.Name == folder) {
			there = there || !hasAttribute(f, `\NonExistent`)
		}
	}
	return there, nil
}

func hasAttribute(f *mailbox.Folder, name string) bool {
	for _, a := range f.Attributes {
		if strings.EqualFold(a, name) {
			return true
		}
	}
	return false
}

// freshen tries a connection that was long unused with a NOOP, ahead of what
// must not be sent twice.
func (s *session) freshen() error {
	if time.Since(s.used) <= staleAfter {
		return nil
	}
	_, err := s.command("NOOP")
	return s.reason(err, phaseOther)
}

// useOf is the attribute for a role (RFC 6154 section 2, RFC 8457); "" if it has
// none.
func useOf(r mailbox.Role) string {
	switch r {
	case mailbox.RoleAll, mailbox.RoleArchive, mailbox.RoleDrafts, mailbox.RoleFlagged,
		mailbox.RoleImportant, mailbox.RoleJunk, mailbox.RoleSent, mailbox.RoleTrash:
		return `\` + strings.ToUpper(string(r[:1])) + string(r[1:])
	}
	return ""
}
