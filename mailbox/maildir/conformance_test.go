package maildir_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/internal/utf7"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/mailboxtest"
	"github.com/postroom-go/postroom/mailbox/maildir"
)

// caps is what a Maildir must be able to do.
func caps() mailbox.Caps {
	return mailbox.Caps{
		Protocol: "maildir",
		Folders:  true, StableIDs: true, Envelopes: true, Structure: true, Parts: true, Headers: true,
		Received: true, Flags: true, Keywords: true, Delete: true, Append: true, AppendID: true,
	}
}

// program is another program on the same Maildir, as simple as the specification
// allows: seconds, process and host in the name, and no flags.
type program struct {
	t    testing.TB
	root string
	opts maildir.Options
	n    atomic.Int64
}

// dir is where a folder lies. INBOX of the layout Plain is INBOX here.
func (p *program) dir(folder string) string {
	inbox := strings.EqualFold(folder, mailbox.Inbox)
	switch {
	case p.opts.Layout == maildir.Plain && inbox:
		return filepath.Join(p.root, "INBOX")
	case p.opts.Layout == maildir.Plain:
		return filepath.Join(p.root, filepath.FromSlash(utf7.Encode(folder)))
	case inbox:
		return p.root
	}
	return filepath.Join(p.root, "."+strings.ReplaceAll(utf7.Encode(folder), "/", "."))
}

func (p *program) deliver(folder string, raw []byte) error {
	now := time.Now()
	name := fmt.Sprintf("%d.M%06dP%dQ%d.example", now.Unix(), now.Nanosecond()/1000, os.Getpid(), p.n.Add(1))
	dir := p.dir(folder)
	if err := os.WriteFile(filepath.Join(dir, "tmp", name), raw, 0o600); err != nil {
		return err
	}
	return os.Rename(filepath.Join(dir, "tmp", name), filepath.Join(dir, "new", name))
}

func (p *program) createFolder(name string) error {
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(p.dir(name), sub), 0o700); err != nil {
			return err
		}
	}
	return nil
}

func config(opts maildir.Options) mailboxtest.Config {
	return mailboxtest.Config{
		Caps:    caps(),
		Without: map[string]string{"NewEpoch": "names are unique for ever"},
		New: func(t testing.TB) *mailboxtest.Instance {
			p := &program{t: t, root: t.TempDir(), opts: opts}
			open := func() (mailbox.Mailbox, error) { return maildir.Open(p.root, &opts) }
			box, err := open()
			require.NoError(t, err)
			return &mailboxtest.Instance{Box: box, Reopen: open, Deliver: p.deliver, CreateFolder: p.createFolder}
		},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]maildir.Options{
		"maildir++": {},
		"plain":     {Layout: maildir.Plain},
		"no index":  {NoIndex: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(opts)
			if name == "no index" {
				cfg.LargeSize = 256 << 10
			}
			mailboxtest.Run(t, cfg)
		})
	}
}

// memory is another program on a Maildir that is in memory.
type memory struct {
	files disk.Dir
	n     int
}

func (m *memory) dir(folder string) string {
	if strings.EqualFold(folder, mailbox.Inbox) {
		return ""
	}
	return "." + strings.ReplaceAll(utf7.Encode(folder), "/", ".") + "/"
}

func (m *memory) deliver(folder string, raw []byte) error {
	m.n++
	name := fmt.Sprintf("%d.M%06dP1Q%d.example", time.Now().Unix(), time.Now().Nanosecond()/1000, m.n)
	file, err := m.files.Create(m.dir(folder) + "tmp/" + name)
	if err != nil {
		return err
	}
	if _, err := file.Write(raw); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return m.files.Move(m.dir(folder)+"tmp/"+name, m.dir(folder)+"new/"+name)
}

func (m *memory) createFolder(name string) error {
	for _, sub := range []string{"", "/cur", "/new", "/tmp"} {
		if err := m.files.Mkdir(strings.TrimSuffix(m.dir(name), "/") + sub); err != nil {
			return err
		}
	}
	return nil
}

// TestConformanceInMemory runs the suite on the file system of the tests about
// faults: what these prove holds for the same mailbox.
func TestConformanceInMemory(t *testing.T) {
	t.Parallel()
	mailboxtest.Run(t, mailboxtest.Config{
		Caps:      caps(),
		Without:   map[string]string{"NewEpoch": "names are unique for ever"},
		LargeSize: 256 << 10,
		New: func(t testing.TB) *mailboxtest.Instance {
			m := &memory{files: disktest.NewMem(512)}
			open := func() (mailbox.Mailbox, error) { return maildir.OpenOn(m.files, nil) }
			box, err := open()
			require.NoError(t, err)
			return &mailboxtest.Instance{Box: box, Reopen: open, Deliver: m.deliver, CreateFolder: m.createFolder}
		},
	})
}

func BenchmarkMailbox(b *testing.B) { mailboxtest.RunBenchmarks(b, config(maildir.Options{})) }
