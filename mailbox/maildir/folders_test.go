package maildir

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/folders"
)

// foldersOf lists the folders by name.
func foldersOf(t testing.TB, mb *Mailbox, status bool) map[string]*mailbox.Folder {
	t.Helper()
	all := map[string]*mailbox.Folder{}
	for f, err := range mb.Folders(t.Context(), &mailbox.FoldersOptions{Status: status}) {
		require.NoError(t, err)
		require.Nil(t, all[f.Name], "%q is there twice", f.Name)
		all[f.Name] = f
	}
	return all
}

func create(t testing.TB, mb *Mailbox, name string) {
	t.Helper()
	require.NoError(t, folders.Create(t.Context(), mb, name, nil), "%q", name)
}

// addTo appends a numbered message to a folder.
func addTo(t testing.TB, mb *Mailbox, folder string, n int) mailbox.ID {
	t.Helper()
	id, err := mb.Append(t.Context(), folder, bytes.NewReader(message(n)), nil)
	require.NoError(t, err)
	return id
}

func TestCreateFolder(t *testing.T) {
	for _, layout := range []Layout{MaildirPP, Plain} {
		mb := openReal(t, &Options{Layout: layout})
		all := []string{"Sent", "sent", "SENT", "Lists/Go/Dev", "Lists/go", "a.b", "a/b", "cur", "new/tmp", "INBOX/Old", "inbox/old", "Entwürfe", "台北",
			"con", "~", "..", "../..", "/", "//", "/x/y", "a/", "a//b", "\x00\n\x1b", "%53ent", "100%", "end.", "end ", "End "}
		for i, name := range all {
			create(t, mb, name)
			addTo(t, mb, name, i)
			require.ErrorIs(t, folders.Create(t.Context(), mb, name, nil), mailbox.ErrExists, "%q", name)
		}
		got := foldersOf(t, mb, false)
		for i, name := range all {
			require.True(t, got[name] != nil, "%q", name)
			assert.Empty(t, got[name].Defects)
			assert.False(t, got[name].NoSelect)
			assert.Equal(t, []string{string(rune('0' + i%10))}, last(subjects(t, mb, name)), "%q", name)
		}
		for _, above := range []string{"Lists", "Lists/Go", "new", ".."} {
			require.NotNil(t, got[above], "%q is above others", above)
			assert.False(t, got[above].NoSelect, "%q was made along with what is below", above)
		}
		require.ErrorIs(t, folders.Create(t.Context(), mb, "inbox", nil), mailbox.ErrExists)
		require.ErrorIs(t, folders.Create(t.Context(), mb, "Lists/Go", nil), mailbox.ErrExists)
		for _, name := range []string{"", "a\xff", strings.Repeat("x", 256), strings.Repeat("ü", 200), strings.Repeat("x/", 5000) + "x"} {
			require.Error(t, folders.Create(t.Context(), mb, name, nil), "%.20q", name)
		}
		assert.Equal(t, len(got), len(foldersOf(t, mb, false)), "what was refused made nothing")

		again := openTest(t, mb.root.dir, &Options{Layout: layout}, nil)
		assert.Equal(t, sortedNames(got), sortedNames(foldersOf(t, again, false)))
	}
}

// last is the last digit of each number.
func last(all []string) []string {
	for i, s := range all {
		all[i] = s[len(s)-1:]
	}
	return all
}

func sortedNames(m map[string]*mailbox.Folder) []string {
	var all []string
	for name := range m {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// TestDirectories: folders lie where other programs look for them.
func TestDirectories(t *testing.T) {
	mb := openReal(t, nil)
	create(t, mb, "Lists/R&D Entwürfe")
	for _, name := range []string{"tmp", "new", "cur", ".Lists/tmp", ".Lists.R&-D Entw&APw-rfe/new", ".Lists.R&-D Entw&APw-rfe/cur"} {
		assert.True(t, isDir(mb.root.dir, name), name)
	}
	info, err := mb.root.dir.Lstat(".Lists/maildirfolder")
	require.NoError(t, err)
	assert.True(t, info.Mode().IsRegular())

	mb = openReal(t, &Options{Layout: Plain})
	create(t, mb, "Lists/R&D Entwürfe")
	for _, name := range []string{"INBOX/cur", "Lists/tmp", "Lists/R&-D Entw&APw-rfe/cur"} {
		assert.True(t, isDir(mb.root.dir, name), name)
	}

	// Dovecot's LAYOUT=fs has INBOX in the directory itself.
	dir := t.TempDir()
	for _, sub := range []string{"cur", "new", "tmp", "INBOX/Old/cur"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, sub), 0o700))
	}
	mb, err = Open(dir, &Options{Layout: Plain, MustExist: true})
	require.NoError(t, err)
	defer mb.Close()
	create(t, mb, "INBOX/Fresh")
	add(t, mb, 1)
	assert.Len(t, names(t, mb.root.dir, "new"), 1)
	assert.Equal(t, []string{"INBOX", "INBOX/Fresh", "INBOX/Old"}, sortedNames(foldersOf(t, mb, false)))
	assert.True(t, isDir(mb.root.dir, "INBOX/Fresh/cur"))
}

// TestOthersFolders: what other programs have made is there.
func TestOthersFolders(t *testing.T) {
	mb := openReal(t, &Options{Roles: map[string]mailbox.Role{"Lists": mailbox.RoleArchive}})
	root := mb.root.dir
	for _, dir := range []string{".Lists", ".Above.Below", ".Bad&Name", ".Bad&Name.Sub", ".8-bit\xfc", ".%53ent", ".Trash", ".Old.Trash", ".INBOX", ".notmuch", "plain", "..x", ".Slash%2FName", ".%"} {
		require.NoError(t, root.Mkdir(dir))
		if dir == ".notmuch" {
			continue
		}
		for _, sub := range []string{"cur", "new", "tmp"} {
			require.NoError(t, root.Mkdir(dir+"/"+sub))
		}
	}
	require.NoError(t, os.Symlink(filepath.Join(mb.Dir(), ".Lists"), filepath.Join(mb.Dir(), ".Link")))
	put(t, root, ".File", "")
	create(t, mb, "%53ent")
	got := foldersOf(t, mb, false)
	assert.Equal(t, []string{"%53ent", ".%", ".INBOX", "/x", "8-bit\xfc", "Above", "Above/Below", "Bad&Name", "Bad&Name/Sub", "INBOX", "Lists",
		"Old", "Old/Trash", "Sent", "Slash%2FName", "Trash"}, sortedNames(got))
	for name, f := range got {
		raw := slices.Contains([]string{".%", ".INBOX", "/x", "8-bit\xfc", "Bad&Name", "Bad&Name/Sub", "Slash%2FName"}, name)
		assert.Equal(t, raw, len(f.Defects) > 0, "%q: %v", name, f.Defects)
		assert.Equal(t, name == "Above" || name == "Old", f.NoSelect, "%q", name)
		if !f.NoSelect {
			addTo(t, mb, name, 1)
			assert.Len(t, list(t, mb, name, nil), 1)
		}
	}
	assert.Equal(t, mailbox.RoleInbox, got["INBOX"].Role)
	assert.Equal(t, mailbox.RoleArchive, got["Lists"].Role)
	assert.Equal(t, mailbox.RoleByAttribute, got["Lists"].RoleSource)
	assert.Equal(t, mailbox.RoleSent, got["Sent"].Role)
	assert.Equal(t, mailbox.RoleTrash, got["Trash"].Role)
	assert.Empty(t, got["Old/Trash"].Role)
	// What only held others, and what was left half-made, becomes a folder.
	create(t, mb, "Above")
	create(t, mb, "notmuch")
	got = foldersOf(t, mb, false)
	assert.False(t, got["Above"].NoSelect)
	require.NotNil(t, got["notmuch"])
	assert.True(t, isDir(root, ".notmuch/cur"))
	_, err := collect(mb, "File", nil)
	require.ErrorIs(t, err, mailbox.ErrNotFound)
	// A folder that goes away, and comes back under another directory, is found.
	require.NoError(t, os.RemoveAll(filepath.Join(mb.Dir(), ".Trash")))
	_, err = collect(mb, "Trash", nil)
	require.ErrorIs(t, err, mailbox.ErrNotFound)
	require.NoError(t, os.Rename(filepath.Join(mb.Dir(), ".Lists"), filepath.Join(mb.Dir(), ".%54rash")))
	assert.Len(t, list(t, mb, "Trash", nil), 1)
}

// foldFS is a file system to which case is nothing, and which keeps the case in
// which a name was given first. It knows no Replace of directories.
type foldFS struct {
	disk.Dir
	under string
	shown map[string]string // by folded paths
}

func (f *foldFS) real(name string) string { return strings.ToLower(name) }

func (f *foldFS) note(name string) {
	key := f.real(f.under + name)
	if f.shown[key] == "" {
		f.shown[key] = name[strings.LastIndexByte(name, '/')+1:]
	}
}

func (f *foldFS) Open(name string) (disk.File, error)   { return f.Dir.Open(f.real(name)) }
func (f *foldFS) OpenRW(name string) (disk.File, error) { return f.Dir.OpenRW(f.real(name)) }
func (f *foldFS) Remove(name string) error              { return f.Dir.Remove(f.real(name)) }
func (f *foldFS) SyncDir(name string) error             { return f.Dir.SyncDir(f.real(name)) }
func (f *foldFS) Lstat(name string) (os.FileInfo, error) {
	return f.Dir.Lstat(f.real(name))
}

func (f *foldFS) SetTime(name string, t time.Time) error { return f.Dir.SetTime(f.real(name), t) }

func (f *foldFS) Create(name string) (disk.File, error) {
	file, err := f.Dir.Create(f.real(name))
	if err == nil {
		f.note(name)
	}
	return file, err
}

func (f *foldFS) Mkdir(name string) error {
	err := f.Dir.Mkdir(f.real(name))
	if err == nil {
		f.note(name)
	}
	return err
}

func (f *foldFS) Move(from, to string) error {
	err := f.Dir.Move(f.real(from), f.real(to))
	if err == nil {
		delete(f.shown, f.real(f.under+to))
		f.note(to)
	}
	return err
}

func (f *foldFS) Replace(from, to string) error {
	err := f.Dir.Replace(f.real(from), f.real(to))
	if err == nil {
		delete(f.shown, f.real(f.under+to))
		f.note(to)
	}
	return err
}

func (f *foldFS) Sub(name string) (disk.Dir, error) {
	sub, err := f.Dir.Sub(f.real(name))
	if err != nil {
		return nil, err
	}
	return &foldFS{Dir: sub, under: f.under + name + "/", shown: f.shown}, nil
}

func (f *foldFS) ReadDir(name string) ([]os.DirEntry, error) {
	list, err := f.Dir.ReadDir(f.real(name))
	prefix := f.under
	if name != "." {
		prefix += name + "/"
	}
	for i, d := range list {
		if shown := f.shown[f.real(prefix)+d.Name()]; shown != "" {
			list[i] = shownEntry{d, shown}
		}
	}
	return list, err
}

type shownEntry struct {
	os.DirEntry
	name string
}

func (e shownEntry) Name() string { return e.name }

// TestStatus: the state changes whenever messages come or go, and is silent while
// it could not tell.
func TestStatus(t *testing.T) {
	mb := openReal(t, nil)
	add(t, mb, 1)
	id := add(t, mb, 2, mailbox.FlagSeen)
	st := foldersOf(t, mb, true)["INBOX"].Status
	assert.Equal(t, &mailbox.FolderStatus{Messages: 2, Unseen: 1}, st, "it was changed just now")

	now := time.Now().Add(time.Minute)
	mb.now = func() time.Time { return now }
	first := foldersOf(t, mb, true)["INBOX"].Status
	assert.NotEmpty(t, first.State)
	assert.Equal(t, first, foldersOf(t, mb, true)["INBOX"].Status)
	require.NoError(t, mb.Delete(t.Context(), []mailbox.ID{id}, nil))
	second := foldersOf(t, mb, true)["INBOX"].Status
	assert.EqualValues(t, 1, second.Messages)
	assert.NotEqual(t, first.State, second.State)

	// Another directory with the same times is another state.
	info, err := mb.root.dir.Lstat("cur")
	require.NoError(t, err)
	require.NoError(t, os.Rename(filepath.Join(mb.Dir(), "cur"), filepath.Join(mb.Dir(), "was")))
	require.NoError(t, mb.root.dir.Mkdir("cur"))
	require.NoError(t, os.Chtimes(filepath.Join(mb.Dir(), "cur"), time.Time{}, info.ModTime()))
	assert.NotEqual(t, second.State, foldersOf(t, mb, true)["INBOX"].Status.State)
}

// TestStatusOfOne: a folder that cannot be read does not end the others, and is not
// left out: it would be missed by nobody.
func TestStatusOfOne(t *testing.T) {
	fire := errors.New("the disk is on fire")
	for name, c := range map[string]struct {
		layout Layout
		broken []string
		err    error
	}{
		"messages":       {MaildirPP, []string{"readdir .Bad/cur"}, fire},
		"folder":         {MaildirPP, []string{"lstat .Bad/cur", "sub .Bad"}, fs.ErrPermission},
		"plain messages": {Plain, []string{"readdir Bad/new"}, fire},
		"plain folder":   {Plain, []string{"readdir Bad", "lstat Bad/cur", "sub Bad"}, fs.ErrPermission},
	} {
		t.Run(name, func(t *testing.T) {
			broken := false
			files := disktest.Hook(disktest.NewMem(512), func(op disktest.Op) error {
				if broken && slices.Contains(c.broken, string(op.Kind)+" "+op.Name) {
					return c.err
				}
				return nil
			})
			mb := openTest(t, files, &Options{Layout: c.layout}, nil)
			create(t, mb, "Bad")
			create(t, mb, "Good")
			broken = true
			got := foldersOf(t, mb, true)
			require.Equal(t, []string{"Bad", "Good", "INBOX"}, sortedNames(got))
			assert.Nil(t, got["Bad"].Status)
			assert.Equal(t, []mailbox.Defect{"status: cannot be read"}, got["Bad"].Defects)
			assert.False(t, got["Bad"].NoSelect)
			assert.NotNil(t, got["Good"].Status)
			assert.Empty(t, got["Good"].Defects)
			_, err := collect(mb, "Bad", nil)
			require.ErrorIs(t, err, c.err)
			require.ErrorIs(t, folders.Create(t.Context(), mb, "Bad", nil), mailbox.ErrExists)
			broken = false
			assert.NotNil(t, foldersOf(t, mb, true)["Bad"].Status)
		})
	}
}

func TestMustExist(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "missing")} {
		_, err := Open(path, &Options{MustExist: true})
		require.ErrorIs(t, err, mailbox.ErrNotFound)
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
	mb, err := Open(filepath.Join(dir, "a", "b"), nil)
	require.NoError(t, err)
	defer mb.Close()
	assert.Equal(t, filepath.Join(dir, "a", "b"), mb.Dir())
	assert.Equal(t, "maildir://"+filepath.ToSlash(mb.Dir()), mb.Account())
	again, err := Open(mb.Dir(), &Options{MustExist: true})
	require.NoError(t, err)
	require.NoError(t, again.Close())
}
