package account

import (
	"net/url"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/maildir"
)

func TestMaildirURL(t *testing.T) {
	for text, want := range map[string]struct {
		dir  string
		opts maildir.Options
	}{
		"maildir:///var/mail/alice":              {"/var/mail/alice", maildir.Options{}},
		"maildir:/var/mail/alice":                {"/var/mail/alice", maildir.Options{}},
		"MAILDIR:///var/mail/alice":              {"/var/mail/alice", maildir.Options{}},
		"maildir:Mail":                           {"Mail", maildir.Options{}},
		"maildir:Mail/alice@example.com":         {"Mail/alice@example.com", maildir.Options{}},
		"maildir:./Mail":                         {"./Mail", maildir.Options{}},
		"maildir://./Mail/x":                     {"./Mail/x", maildir.Options{}},
		"maildir://../Mail":                      {"../Mail", maildir.Options{}},
		"maildir:.":                              {".", maildir.Options{}},
		"maildir:///My%20Mail%3F":                {"/My Mail?", maildir.Options{}},
		"maildir:My%20Mail%23%25":                {"My Mail#%", maildir.Options{}},
		"maildir:Mail?layout=plain":              {"Mail", maildir.Options{Layout: maildir.Plain}},
		"maildir:///Mail?lf=1&layout=plain":      {"/Mail", maildir.Options{Layout: maildir.Plain, LF: true}},
		"maildir:///Mail?layout=maildir&lf=0":    {"/Mail", maildir.Options{}},
		"maildir://./Mail?lf=1":                  {"./Mail", maildir.Options{LF: true}},
		"maildir:%47r%C3%BC%C3%9Fe?layout=plain": {"Gr\u00fc\u00dfe", maildir.Options{Layout: maildir.Plain}},
	} {
		t.Run(text, func(t *testing.T) {
			u, err := url.Parse(text)
			require.NoError(t, err)
			require.Equal(t, maildirScheme, u.Scheme)
			assert.True(t, IsMaildir(text))
			dir, opts, err := parseMaildir(u)
			require.NoError(t, err)
			assert.Equal(t, filepath.FromSlash(want.dir), dir)
			assert.Equal(t, want.opts, *opts)
		})
	}
}

// TestMaildirUsage: what is wrong with a URL is said before anything is made.
func TestMaildirUsage(t *testing.T) {
	for text, hint := range map[string]string{
		"maildir:":                      "names no directory",
		"maildir://":                    "names no directory",
		"maildir:?lf=1":                 "names no directory",
		"maildir://host/Mail":           "maildir:///host/Mail",
		"maildir://Mail":                "maildir:Mail",
		"maildir://alice@host/Mail":     "no user",
		"maildir://alice:pw@host/Mail":  "no user",
		"maildir:///Mail#1":             "%23",
		"maildir:Mail?layout=maildir++": "layout=plain",
		"maildir:Mail?colour=red":       "layout=plain",
		"maildir:Mail?lf":               "lf=1",
		"maildir:Mail?lf=%zz":           "lf=1",
		"maildir:50%":                   "%25",
		"maildir:///a%00b":              "NUL",
	} {
		t.Run(text, func(t *testing.T) {
			t.Chdir(t.TempDir())
			mb, err := Open(t.Context(), text, &Options{Create: true})
			require.ErrorIs(t, err, ErrUsage)
			assert.Nil(t, mb)
			assert.Contains(t, err.Error(), hint)
			assert.NotContains(t, err.Error(), "pw")
			found, err := filepath.Glob("*")
			require.NoError(t, err)
			assert.Empty(t, found)
		})
	}
	_, err := Open(t.Context(), "maildir:x", &Options{Plaintext: true})
	assert.ErrorIs(t, err, ErrUsage)
	assert.False(t, IsMaildir("imaps://alice@maildir"))
	assert.False(t, IsMaildir("maildir"))
}

// TestMaildirOpen: no password is asked for, and only Create makes directories.
func TestMaildirOpen(t *testing.T) {
	t.Chdir(t.TempDir())
	asked := func(_, _ string) (string, error) {
		t.Error("a password was asked for")
		return "", nil
	}
	mb, err := Open(t.Context(), "maildir:Mail", &Options{Password: asked})
	require.ErrorIs(t, err, mailbox.ErrNotFound)
	require.Nil(t, mb)
	assert.NoDirExists(t, "Mail")

	for _, o := range []*Options{{Password: asked, Create: true}, {Password: asked}} {
		mb, err = Open(t.Context(), "maildir:Mail", o)
		require.NoError(t, err)
		assert.Equal(t, "maildir", mb.Caps().Protocol)
		require.NoError(t, mb.Close())
	}
	assert.DirExists(t, filepath.Join("Mail", "cur"))
}
