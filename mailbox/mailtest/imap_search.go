package mailtest

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/postroom-go/postroom/internal/mailmime"
	"github.com/postroom-go/postroom/internal/memstore"
	"github.com/postroom-go/postroom/mailbox/charset"
)

// Search implements imapserver.Session.
func (s *imapSession) Search(kind imapserver.NumKind, c *imap.SearchCriteria, o *imap.SearchOptions) (*imap.SearchData, error) {
	var d imap.SearchData
	var seqs imap.SeqSet
	var uids imap.UIDSet
	for i, m := range s.view.messages {
		if !s.matches(i, m, c) {
			continue
		}
		uids.AddNum(imap.UID(m.UID))
		seqs.AddNum(uint32(i + 1))
		n := uint32(i + 1)
		if kind == imapserver.NumKindUID {
			n = m.UID
		}
		if d.Min == 0 {
			d.Min = n
		}
		d.Max = n
		d.Count++
	}
	d.All = imap.NumSet(seqs)
	if kind == imapserver.NumKindUID {
		d.All = uids
	}
	if o.ReturnSave {
		s.saved = uids
	}
	return &d, nil
}

func (s *imapSession) matches(i int, m *memstore.Message, c *imap.SearchCriteria) bool {
	return s.matchesSets(i, c) && matchesFlags(m, c) && matchesText(m, c) &&
		!slices.ContainsFunc(c.Not, func(n imap.SearchCriteria) bool { return s.matches(i, m, &n) }) &&
		!slices.ContainsFunc(c.Or, func(or [2]imap.SearchCriteria) bool {
			return !s.matches(i, m, &or[0]) && !s.matches(i, m, &or[1])
		})
}

func (s *imapSession) matchesSets(i int, c *imap.SearchCriteria) bool {
	v := s.view
	uid, last := v.messages[i].UID, v.messages[len(v.messages)-1].UID
	for _, set := range c.SeqNum {
		if !slices.ContainsFunc(set, func(r imap.SeqRange) bool { return within(r.Start, r.Stop, uint32(len(v.messages)), uint32(i+1)) }) {
			return false
		}
	}
	for _, set := range c.UID {
		if imap.IsSearchRes(set) {
			set = s.saved
		}
		if !slices.ContainsFunc(set, func(r imap.UIDRange) bool { return within(uint32(r.Start), uint32(r.Stop), last, uid) }) {
			return false
		}
	}
	return true
}

func within(from, to, last, n uint32) bool {
	from, to = bounds(from, to, last)
	return from <= n && n <= to
}

func matchesFlags(m *memstore.Message, c *imap.SearchCriteria) bool {
	return !slices.ContainsFunc(c.Flag, func(f imap.Flag) bool { return !m.Has(string(f)) }) &&
		!slices.ContainsFunc(c.NotFlag, func(f imap.Flag) bool { return m.Has(string(f)) }) &&
		(c.Larger == 0 || m.Size() > c.Larger) && (c.Smaller == 0 || m.Size() < c.Smaller) &&
		matchesDay(m.Received, c.Since, c.Before)
}

// matchesDay compares days alone, each in its own zone (RFC 9051 section
// 6.4.4).
func matchesDay(t, since, before time.Time) bool {
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	return (since.IsZero() || !day.Before(since)) && (before.IsZero() || day.Before(before))
}

func matchesText(m *memstore.Message, c *imap.SearchCriteria) bool {
	if len(c.Header)+len(c.Text)+len(c.Body) == 0 && c.SentSince.IsZero() && c.SentBefore.IsZero() {
		return true
	}
	h := mailmime.ParseHeader(m.Header(), nil)
	for _, want := range c.Header {
		if !slices.ContainsFunc(h.Values(want.Key), func(v string) bool { return contains(mailmime.DecodeHeader(v, charset.NewReader), want.Value) }) {
			return false
		}
	}
	if !c.SentSince.IsZero() || !c.SentBefore.IsZero() {
		date, ok := mailmime.ParseDate(h.Get("Date"))
		if !ok || !matchesDay(date, c.SentSince, c.SentBefore) {
			return false
		}
	}
	body := m.Raw()[len(m.Header()):]
	for _, want := range c.Body {
		if !containsFold(body, want) {
			return false
		}
	}
	for _, want := range c.Text {
		inHeader := slices.ContainsFunc(h.Fields, func(f mailmime.Field) bool { return contains(mailmime.DecodeHeader(f.Value, charset.NewReader), want) })
		if !inHeader && !containsFold(body, want) {
			return false
		}
	}
	return true
}

func contains(text, want string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(want))
}

func containsFold(text []byte, want string) bool {
	return bytes.Contains(bytes.ToLower(text), bytes.ToLower([]byte(want)))
}
