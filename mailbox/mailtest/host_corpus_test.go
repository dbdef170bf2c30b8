package mailtest

import (
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/mailmime"
	"github.com/postroom-go/postroom/mailbox/charset"
)

// corpusHost has the corpus in ann's INBOX.
func corpusHost(t *testing.T, o *Options) (*Host, []Sample) {
	t.Helper()
	h := newHost(t, o)
	all := Corpus()
	for _, s := range all {
		require.NoError(t, h.Deliver(ann, "", s.Raw, nil))
	}
	return h, all
}

// TestIMAPCorpus: every message of the corpus is told in a way that an IMAP
// client understands, the broken ones included.
func TestIMAPCorpus(t *testing.T) {
	for _, flavour := range []IMAPFlavour{IMAPExtended, IMAPBare, IMAPRev2} {
		h, all := corpusHost(t, &Options{IMAP: flavour})
		c := imapDial(t, h)
		_, err := c.Select("INBOX", nil).Wait()
		require.NoError(t, err)
		got, err := c.Fetch(imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{
			Envelope: true, BodyStructure: &imap.FetchItemBodyStructure{Extended: true}, RFC822Size: true,
			BodySection: []*imap.FetchItemBodySection{
				{Peek: true},
				{Peek: true, Specifier: imap.PartSpecifierHeader},
				{Peek: true, Specifier: imap.PartSpecifierText},
			},
		}).Collect()
		require.NoError(t, err)
		require.Len(t, got, len(all))
		for i, s := range all {
			m := got[i]
			assert.Equal(t, s.Subject, mailmime.DecodeHeader(m.Envelope.Subject, charset.NewReader), s.Name)
			if s.From != "" {
				assert.Equal(t, s.From, m.Envelope.From[0].Addr(), s.Name)
			}
			assert.Equal(t, string(s.Raw), string(m.BodySection[0].Bytes), s.Name)
			assert.Equal(t, string(s.Raw), string(m.BodySection[1].Bytes)+string(m.BodySection[2].Bytes), s.Name)
			assert.Equal(t, int64(len(s.Raw)), m.RFC822Size, s.Name)
			assert.NotNil(t, m.BodyStructure, s.Name)
		}
	}
}

func TestIMAPSections(t *testing.T) {
	h, all := corpusHost(t, nil)
	seq := uint32(0)
	for i, s := range all {
		if s.Name == "forwarded message" {
			seq = uint32(i + 1)
		}
	}
	c := imapDial(t, h)
	_, err := c.Select("INBOX", nil).Wait()
	require.NoError(t, err)
	for want, item := range map[string]*imap.FetchItemBodySection{
		"FYI": {Part: []int{1}},
		"Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n": {Part: []int{2}, Specifier: imap.PartSpecifierMIME},
		"Subject: Hello\r\n\r\n": {Part: []int{2}, Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"SUBJECT"}},
		"From: carol@example.net\r\nTo: ann@example.org\r\nDate: Fri, 15 Mar 2024 12:00:00 +0000\r\n\r\n": {
			Part: []int{2}, Specifier: imap.PartSpecifierHeader, HeaderFieldsNot: []string{"Subject", "MIME-Version", "Content-Type"},
		},
		"Inner text.": {Part: []int{2, 1}},
		"xyz":         {Part: []int{2, 2}},
		"yz":          {Part: []int{2, 2}, Partial: &imap.SectionPartial{Offset: 1, Size: 1 << 40}},
		"":            {Part: []int{1}, Specifier: imap.PartSpecifierHeader},
	} {
		item.Peek = true
		got, err := c.Fetch(imap.SeqSetNum(seq), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{item}}).Collect()
		require.NoError(t, err)
		assert.Equal(t, want, string(got[0].BodySection[0].Bytes), "%+v", item)
	}
	got, err := c.Fetch(imap.SeqSetNum(seq), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{
		{Peek: true, Part: []int{2}, Specifier: imap.PartSpecifierText},
	}}).Collect()
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(got[0].BodySection[0].Bytes), "--inner\r\n"))
}

func TestIMAPStore(t *testing.T) {
	h := newHost(t, nil)
	deliver(t, h, 1)
	c := imapDial(t, h)
	_, err := c.Select("INBOX", nil).Wait()
	require.NoError(t, err)
	for _, step := range []struct {
		op   imap.StoreFlagsOp
		flag imap.Flag
		want []imap.Flag
	}{
		{imap.StoreFlagsAdd, "$Work", []imap.Flag{"$Work"}},
		{imap.StoreFlagsAdd, `\ANSWERED`, []imap.Flag{"$Work", `\Answered`}},
		{imap.StoreFlagsDel, "$WORK", []imap.Flag{`\Answered`}},
		{imap.StoreFlagsSet, `\Draft`, []imap.Flag{`\Draft`}},
	} {
		got, err := c.Store(imap.SeqSetNum(1), &imap.StoreFlags{Op: step.op, Flags: []imap.Flag{step.flag}}, nil).Collect()
		require.NoError(t, err)
		assert.ElementsMatch(t, step.want, got[0].Flags)
	}
	require.NoError(t, c.Subscribe("INBOX").Wait())
	require.Error(t, c.Subscribe("nowhere").Wait())
	_, err = c.Status("nowhere", &imap.StatusOptions{NumMessages: true}).Wait()
	require.ErrorContains(t, err, "NONEXISTENT")
	_, err = c.Select("nowhere", nil).Wait()
	require.ErrorContains(t, err, "NONEXISTENT")
}

// TestPOPCorpus: every message comes back octet by octet.
func TestPOPCorpus(t *testing.T) {
	h, all := corpusHost(t, nil)
	c := popDial(t, h)
	for i, s := range all {
		c.send("RETR " + string(rune('0'+(i+1)/10)) + string(rune('0'+(i+1)%10)) + "\r\n")
		lines := c.lines()
		for j, line := range lines {
			lines[j] = strings.TrimPrefix(line, ".")
			if !strings.HasPrefix(line, ".") {
				lines[j] = line
			}
		}
		assert.Equal(t, string(s.Raw), strings.Join(lines, "\r\n")+"\r\n", s.Name)
	}
}

func TestScriptLogins(t *testing.T) {
	for name, say := range map[string][]string{
		"LOGIN":         {"1 NOOP\r\n2 LOGIN a b\r\n", "1 OK done", "2 OK [CAPABILITY X] logged in"},
		"SASL-IR":       {"1 AUTHENTICATE PLAIN AAA=\r\n", "1 OK [CAPABILITY X] logged in"},
		"AUTHENTICATE":  {"1 AUTHENTICATE PLAIN\r\nAAA=\r\n", "+ ", "1 OK [CAPABILITY X] logged in"},
		"after a login": {"1 LOGIN a b\r\n2 ID NIL\r\n3 ENABLE X\r\n4 NAMESPACE\r\n5 LOGOUT\r\n", "1 OK [CAPABILITY X] logged in", `* ID ("name" "mailtest")`, "2 OK done", "* ENABLED", "3 OK done", `* NAMESPACE (("" "/")) NIL NIL`, "4 OK done", "* BYE bye", "5 OK done"},
	} {
		srv := Serve(t, nil, func(c *Conn) {
			IMAPLogin(c, "X")
			c.Command("NEVER")
		})
		c := dial(t, srv.Addr)
		c.want("* OK [CAPABILITY X] ready")
		c.send(say[0])
		for _, want := range say[1:] {
			c.want(want)
		}
		assert.NotEmpty(t, name)
		_ = c.nc.Close()
	}
	for name, say := range map[string][]string{
		"USER":    {"USER a\r\nPASS b\r\nNOOP\r\nQUIT\r\n", "+OK", "+OK logged in", "+OK", "+OK bye"},
		"APOP":    {"CAPA\r\nAPOP a 0123\r\n", "-ERR what?", "+OK logged in"},
		"SASL":    {"AUTH PLAIN\r\nAAA=\r\n", "+ ", "+OK logged in"},
		"SASL-IR": {"AUTH PLAIN AAA=\r\n", "+OK logged in"},
	} {
		srv := Serve(t, nil, func(c *Conn) {
			POPLogin(c)
			c.Verb("NEVER")
		})
		c := dial(t, srv.Addr)
		c.want("+OK ready")
		c.send(say[0])
		for _, want := range say[1:] {
			c.want(want)
		}
		assert.NotEmpty(t, name)
		_ = c.nc.Close()
	}
}
