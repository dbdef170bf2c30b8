package smtpsink

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/mailbox"
)

func TestReadReply(t *testing.T) {
	for text, want := range map[string]answer{
		"220 ready\r\n":              {220, []byte("ready")},
		"250\r\n":                    {250, nil},
		"250 \r\n":                   {250, nil},
		"250-a\r\n250-\r\n250 b\r\n": {250, []byte("a\n\nb")},
		"250-a\n250\n":               {250, []byte("a\n")},
		"599  x \r\n":                {599, []byte(" x ")},
		"250 " + strings.Repeat("x", 9000) + "\r\n": {250, []byte(strings.Repeat("x", 9000))},
	} {
		r := newReplyReader(strings.NewReader(text + "354 next\r\n"))
		a, err := r.read()
		require.NoError(t, err, "%.50q", text)
		assert.Equal(t, want.code, a.code)
		assert.Equal(t, string(want.text), string(a.text))
		a, err = r.read()
		require.NoError(t, err)
		assert.Equal(t, 354, a.code)
		_, err = r.read()
		assert.Equal(t, io.EOF, err)
	}
	for text, want := range map[string]error{
		"":                      io.EOF,
		"250":                   io.ErrUnexpectedEOF,
		"250-a\r\n":             io.ErrUnexpectedEOF,
		"250-a\r\n25":           io.ErrUnexpectedEOF,
		"250-a\r\n251 b\r\n":    mailbox.ErrProtocol,
		"\r\n":                  mailbox.ErrProtocol,
		"25\r\n":                mailbox.ErrProtocol,
		"2500\r\n":              mailbox.ErrProtocol,
		"250_x\r\n":             mailbox.ErrProtocol,
		"199 x\r\n":             mailbox.ErrProtocol,
		"600 x\r\n":             mailbox.ErrProtocol,
		"2x0 x\r\n":             mailbox.ErrProtocol,
		"\xef\xbb\xbf250 x\r\n": mailbox.ErrProtocol,
	} {
		_, err := newReplyReader(strings.NewReader(text)).read()
		require.ErrorIs(t, err, want, "%q", text)
	}
}

func TestReply(t *testing.T) {
	s := &session{}
	s.secrets.Hide("canary-5ecret")
	r := s.reply("RCPT", answer{550, []byte("5.1.1 no\n5.1.1 such\x1b[31m user")})
	assert.Equal(t, Reply{"RCPT", 550, "5.1.1", "no such [31m user"}, *r)
	r = s.reply("AUTH", answer{535, []byte("5.7.8 canary-5ecret is wrong")})
	assert.Equal(t, "*** is wrong", r.Text)
	assert.Equal(t, `AUTH refused 535 5.7.8: server said "*** is wrong"`, r.Error())
	assert.Equal(t, "RCPT answered 250", s.reply("RCPT", answer{250, nil}).Error())
	for text, want := range map[string]string{
		"5.1.1 x": "5.1.1", "5.1.1": "5.1.1", "5.1.1\nx": "5.1.1", "5.123.123 x": "5.123.123",
		"4.1.1 x": "", "5.1.1x": "", "5.1 x": "", "5.1.": "", "5..1 x": "", "55.1.1 x": "", "5.1234.1 x": "", "5.1.1.1 x": "", "": "", "x 5.1.1": "",
	} {
		assert.Equal(t, want, s.reply("RCPT", answer{550, []byte(text)}).Enhanced, text)
	}
}

func TestMeaning(t *testing.T) {
	all := []error{mailbox.ErrAuth, mailbox.ErrPermission, mailbox.ErrNotFound, mailbox.ErrQuota, mailbox.ErrTooLarge, mailbox.ErrThrottled, mailbox.ErrUnavailable}
	for text, want := range map[string]error{
		"535 5.7.8 x": mailbox.ErrAuth, "530 5.7.0 x": mailbox.ErrAuth, "534 5.7.9 x": mailbox.ErrAuth,
		"550 5.1.1 x": mailbox.ErrNotFound, "550 5.1.2 x": mailbox.ErrNotFound, "553 5.1.3 x": mailbox.ErrNotFound, "550 5.2.1 x": mailbox.ErrNotFound,
		"550 5.7.1 x": mailbox.ErrPermission, "554 5.7.26 x": mailbox.ErrPermission,
		"552 5.2.2 x": mailbox.ErrQuota, "452 4.2.2 x": mailbox.ErrQuota,
		"552 5.3.4 x": mailbox.ErrTooLarge, "554 5.2.3 x": mailbox.ErrTooLarge, "552 x": mailbox.ErrTooLarge,
		"421 4.3.2 x": mailbox.ErrUnavailable, "451 4.3.0 x": mailbox.ErrUnavailable, "450 x": mailbox.ErrUnavailable,
		"550 x": nil, "554 5.6.0 x": nil, "250 2.0.0 x": nil, "250 2.7.0 x": nil,
	} {
		a, _, ok := parseLine([]byte(text))
		require.True(t, ok)
		r := (&session{}).reply("RCPT", a)
		for _, e := range all {
			assert.Equal(t, e == want, r.Is(e), "%s: %v", text, e)
		}
	}
}

func TestQueueID(t *testing.T) {
	for text, want := range map[string]string{
		"Ok: queued as 4X1Y2Z": "4X1Y2Z", "OK id=1abc-000-XY": "1abc-000-XY", "Message accepted": "", "": "", "Ok": "",
		"OK  1700000000 a1-b2.3 - gsmtp": "a1-b2.3",
	} {
		assert.Equal(t, want, queueID(text), text)
	}
}

// TestSurplus: what has come when nothing is awaited answers nothing that is asked
// later.
func TestSurplus(t *testing.T) {
	for text, ok := range map[string]bool{"250 a\r\n250 b\r\n": false, "250 a\r\n": true} {
		client, server := net.Pipe()
		s := newSession(mailconn.New(client, "lab.example", nil), false, 0)
		s.rd = newReplyReader(io.MultiReader(strings.NewReader(text), strings.NewReader("250 later\r\n")))
		s.watch = time.AfterFunc(time.Hour, func() {})
		s.mu.Lock()
		for i := range 2 {
			s.steps = append(s.steps, step{kind: stepReset})
			a, err := s.rd.read()
			require.NoError(t, err)
			assert.Equal(t, i == 0 || ok, s.dispatch(a) == nil, "%q, reply %d", text, i)
		}
		s.watch.Stop()
		s.mu.Unlock()
		_, _ = client.Close(), server.Close()
	}
}

// TestStepsKept: a session that is busy all the time keeps no steps that are done.
func TestStepsKept(t *testing.T) {
	l := &lab{caps: []string{"PIPELINING", "CHUNKING"}}
	sink := l.dial(t, nil)
	defer sink.Close()
	s := sink.idle[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps = append(s.steps, step{kind: stepReset})
	for range 100_000 {
		s.steps = append(s.steps, step{kind: stepReset})
		require.NoError(t, s.dispatch(answer{250, nil}))
	}
	assert.Equal(t, 1, len(s.steps)-s.head)
	assert.Less(t, cap(s.steps), 4*maxStepsDone)
	s.steps, s.head = nil, 0
	s.arm()
}
