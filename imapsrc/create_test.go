package imapsrc

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/folders"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// creator plays a server on which folder exists or not, and which answers each
// CREATE by answer; "" cuts the connection.
func creator(caps string, exists *atomic.Bool, answer func(args string) string) func(c *mailtest.Conn) {
	return func(c *mailtest.Conn) {
		mailtest.IMAPLogin(c, caps)
		c.Answer("SUBSCRIBE", func(tag, _ string) { c.Send(tag + " NO never mind\r\n") })
		c.Answer("LIST", func(tag, args string) {
			if exists.Load() {
				c.Sendf("* LIST () \"/\" %s\r\n", strings.TrimPrefix(args, `"" `))
			}
			c.Send(tag + " OK done\r\n")
		})
		c.Answer("CREATE", func(tag, args string) {
			a := answer(args)
			if a == "" {
				c.Cut()
			}
			c.Send(tag + " " + a + "\r\n")
		})
		idle(c)
	}
}

// sent are the commands of that name that the server has seen.
func (r *rig) sent(name string) []string {
	var all []string
	for line := range strings.Lines(r.srv.Transcript()) {
		if _, args, ok := strings.Cut(line, " "+name+" "); ok && strings.Contains(line, "C: ") {
			all = append(all, strings.TrimSuffix(strings.TrimSpace(args), `\r\n`))
		}
	}
	return all
}

func TestCreateFolder(t *testing.T) {
	var no, yes atomic.Bool
	yes.Store(true)
	for name, tt := range map[string]struct {
		caps   string
		exists *atomic.Bool
		role   mailbox.Role
		answer string // to a CREATE; with a role, to one with it
		sent   []string
		want   error
	}{
		"plain":        {"IMAP4rev1", &no, "", "OK", []string{`"Bücher"`}, nil},
		"role":         {"IMAP4rev1 CREATE-SPECIAL-USE", &no, mailbox.RoleSent, "OK", []string{`"Bücher" (USE (\\Sent))`}, nil},
		"no attribute": {"IMAP4rev1", &no, mailbox.RoleSent, "OK", []string{`"Bücher"`}, nil},
		"no use for":   {"IMAP4rev1 CREATE-SPECIAL-USE", &no, mailbox.RoleInbox, "OK", []string{`"Bücher"`}, nil},
		"refused role": {"IMAP4rev1 CREATE-SPECIAL-USE", &no, mailbox.RoleJunk, "NO [USEATTR] x", []string{`"Bücher" (USE (\\Junk))`, `"Bücher"`}, nil},
		"unknown role": {"IMAP4rev1 CREATE-SPECIAL-USE", &no, mailbox.RoleJunk, "BAD x", []string{`"Bücher" (USE (\\Junk))`, `"Bücher"`}, nil},
		"exists":       {"IMAP4rev1", &no, "", "NO [ALREADYEXISTS] x", []string{`"Bücher"`}, mailbox.ErrExists},
		"is listed":    {"IMAP4rev1", &yes, "", "NO x", []string{`"Bücher"`}, mailbox.ErrExists},
		"forbidden":    {"IMAP4rev1", &no, "", "NO [NOPERM] x", []string{`"Bücher"`}, mailbox.ErrPermission},
		"full":         {"IMAP4rev1", &no, "", "NO [OVERQUOTA] x", []string{`"Bücher"`}, mailbox.ErrQuota},
		"refused":      {"IMAP4rev1", &no, "", "NO x", []string{`"Bücher"`}, &StatusError{}},
		"cannot":       {"IMAP4rev1", &no, "", "NO [CANNOT] x", []string{`"Bücher"`}, &StatusError{}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil, creator(tt.caps, tt.exists, func(args string) string {
				if strings.Contains(args, "USE") || !strings.Contains(tt.caps, "USE") {
					return tt.answer
				}
				return "OK"
			}))
			err := r.mustDial().CreateFolder(t.Context(), "Bücher", &folders.CreateOptions{Role: tt.role})
			r.canary.Error(err)
			want := make([]string, len(tt.sent))
			for i, s := range tt.sent {
				want[i] = strings.ReplaceAll(s, "ü", "&APw-")
			}
			assert.Equal(t, want, r.sent("CREATE"))
			if tt.want == nil {
				require.NoError(t, err)
				assert.Equal(t, []string{`"B&APw-cher"`}, r.sent("SUBSCRIBE"))
				return
			}
			assert.Empty(t, r.sent("SUBSCRIBE"))
			var status *StatusError
			if _, ok := tt.want.(*StatusError); ok {
				require.ErrorAs(t, err, &status)
				assert.NoError(t, status.Unwrap())
			} else {
				require.ErrorIs(t, err, tt.want)
			}
			var e *mailbox.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, "Bücher", e.Folder)
		})
	}
}

// TestCreateNeedsNoServer: what cannot be is refused without asking.
func TestCreateNeedsNoServer(t *testing.T) {
	var no atomic.Bool
	r := newRig(t, nil, creator("IMAP4rev1", &no, func(string) string { return "OK" }))
	m := r.mustDial()
	for name, want := range map[string]error{"": mailbox.ErrExists, "inbox": mailbox.ErrExists, "a\r\nb": nil, "\xff": nil, strings.Repeat("x", maxFolderName+1): nil} {
		err := m.CreateFolder(t.Context(), name, nil)
		require.Error(t, err, "%.20q", name)
		if want != nil {
			require.ErrorIs(t, err, want)
		}
	}
	assert.Empty(t, r.sent("CREATE"))
}

// TestCreateLosesAnswer: a CREATE whose answer was lost is not repeated before
// LIST has told that it was not done.
func TestCreateLosesAnswer(t *testing.T) {
	for name, tt := range map[string]struct {
		done    bool     // by the first CREATE, though its answer is lost
		answers []string // to those that follow
		creates int
		want    error
	}{
		"done":     {true, nil, 1, nil},
		"not done": {false, []string{"OK"}, 2, nil},
		"late":     {false, []string{"NO [ALREADYEXISTS] x"}, 2, nil},
		"refused":  {false, []string{"NO [NOPERM] x"}, 2, mailbox.ErrPermission},
		"always":   {false, []string{"", "", "", ""}, retries + 1, mailbox.ErrUnknownOutcome},
	} {
		t.Run(name, func(t *testing.T) {
			var exists atomic.Bool
			var creates atomic.Int32
			r := newRig(t, nil, creator("IMAP4rev1", &exists, func(string) string {
				n := creates.Add(1)
				if n == 1 {
					exists.Store(tt.done)
					return ""
				}
				return tt.answers[n-2]
			}))
			err := r.mustDial().CreateFolder(t.Context(), "a", nil)
			if tt.want == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, tt.want)
			}
			assert.Len(t, r.sent("CREATE"), tt.creates)
			assert.Equal(t, tt.creates > 1 || tt.done, len(r.sent("LIST")) > 0)
		})
	}
}

// TestCreateCancelled: when the context ends with the answer outstanding nobody
// knows.
func TestCreateCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := newRig(t, nil, func(c *mailtest.Conn) {
		mailtest.IMAPLogin(c, "IMAP4rev1")
		c.Command("CREATE")
		cancel()
		c.Stall()
	})
	err := r.mustDial().CreateFolder(ctx, "a", nil)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, mailbox.ErrUnknownOutcome)

	err = r.mustDial().CreateFolder(ctx, "a", nil)
	require.ErrorIs(t, err, context.Canceled)
	assert.NotErrorIs(t, err, mailbox.ErrUnknownOutcome, "nothing was sent")
}

// TestCreateWithPatterns: LIST takes * and % for patterns, and what it finds by
// them is not the folder.
func TestCreateWithPatterns(t *testing.T) {
	for listed, want := range map[string]error{`"a%"`: mailbox.ErrExists, `"ab"`: nil} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			mailtest.IMAPLogin(c, "IMAP4rev1")
			c.Answer("CREATE", func(tag, _ string) { c.Send(tag + " NO x\r\n") })
			c.Answer("LIST", func(tag, _ string) { c.Sendf("* LIST () \"/\" %s\r\n%s OK done\r\n", listed, tag) })
			idle(c)
		})
		err := r.mustDial().CreateFolder(t.Context(), "a%", nil)
		require.Error(t, err)
		if want != nil {
			require.ErrorIs(t, err, want)
		} else {
			require.NotErrorIs(t, err, mailbox.ErrExists)
		}
	}
}

// TestCreateOnHost makes folders on a whole server: with those above them, with a
// role, and once only.
func TestCreateOnHost(t *testing.T) {
	h := mailtest.New(t, nil)
	h.AddUser("ann", canary)
	m, err := Dial(t.Context(), h.IMAPS, access.Password("ann", canary, nil), &Options{Net: access.Options{TLSConfig: h.ClientTLS()}})
	require.NoError(t, err)
	defer m.Close()
	require.NoError(t, folders.Create(t.Context(), m, "Work/2026/Entwürfe", &folders.CreateOptions{Role: mailbox.RoleDrafts}))
	require.ErrorIs(t, folders.Create(t.Context(), m, "Work/2026/Entwürfe", nil), mailbox.ErrExists)
	roles := map[string]mailbox.Role{}
	for f, err := range m.Folders(t.Context(), nil) {
		require.NoError(t, err)
		roles[f.Name] = f.Role
	}
	assert.Equal(t, map[string]mailbox.Role{"INBOX": mailbox.RoleInbox, "Work": "", "Work/2026": "", "Work/2026/Entwürfe": mailbox.RoleDrafts}, roles)
}

// TestStateOfFolder: it is made of what tells states apart, and empty where that
// was not told.
func TestStateOfFolder(t *testing.T) {
	for status, want := range map[string]string{
		"MESSAGES 3 UNSEEN 1 UIDVALIDITY 7 UIDNEXT 9":                          "7.9.3",
		"MESSAGES 0 UNSEEN 0 UIDVALIDITY 7 UIDNEXT 1":                          "7.1.0",
		"MESSAGES 3 UIDVALIDITY 7 UIDNEXT 9 HIGHESTMODSEQ 12":                  "7.9.3.12",
		"MESSAGES 3 UIDVALIDITY 7 UIDNEXT 9 HIGHESTMODSEQ 0":                   "7.9.3",
		"MESSAGES 3 UIDVALIDITY 7 UIDNEXT 9 HIGHESTMODSEQ 9223372036854775808": "7.9.3",
		"MESSAGES 3 UIDVALIDITY 7 UIDNEXT 9 HIGHESTMODSEQ NIL":                 "7.9.3",
		"MESSAGES 3 UNSEEN 1 UIDVALIDITY 7":                                    "",
		"MESSAGES 3 UIDVALIDITY 7 UIDNEXT 0":                                   "",
		"MESSAGES 3 UIDVALIDITY 0 UIDNEXT 9":                                   "",
		"MESSAGES 3 UIDVALIDITY 7 UIDNEXT 4294967296":                          "",
		"UIDVALIDITY 7 UIDNEXT 9":                                              "",
		"UNSEEN 1":                                                             "",
	} {
		for _, caps := range []string{"IMAP4rev1", "IMAP4rev1 LIST-STATUS", "IMAP4rev1 CONDSTORE", "IMAP4rev1 LIST-STATUS QRESYNC"} {
			r := newRig(t, nil, func(c *mailtest.Conn) {
				mailtest.IMAPLogin(c, caps)
				line := fmt.Sprintf("* STATUS INBOX (%s)\r\n", status)
				c.Answer("STATUS", func(tag, _ string) { c.Send(line + tag + " OK done\r\n") })
				c.Answer("LIST", func(tag, args string) {
					c.Send("* LIST () \"/\" INBOX\r\n")
					if strings.Contains(args, "STATUS") {
						c.Send(line)
					}
					c.Send(tag + " OK done\r\n")
				})
				idle(c)
			})
			for f, err := range r.mustDial().Folders(within(t, 5*time.Second), &mailbox.FoldersOptions{Status: true}) {
				require.NoError(t, err)
				assert.Equal(t, want, f.Status.State, "%s: %s", caps, status)
			}
			counts := strings.Contains(caps, "CONDSTORE") || strings.Contains(caps, "QRESYNC")
			for _, command := range append(r.sent("STATUS"), r.sent("LIST")...) {
				assert.Equal(t, counts && strings.Contains(command, "UIDNEXT"), strings.Contains(command, "HIGHESTMODSEQ"), command)
			}
		}
	}
}
