package outbox

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path"
	"sync"
	"time"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

// The file of a message holds its octets as they were given, then what is to be
// done with them as JSON, then a foot: where that begins, the checksums of both,
// and a mark. All that is learned while a message is read is behind it, nothing
// in a message can be taken for a foot, and a file that was cut has none.

const (
	footLen  = 16
	footMark = "pro1"
	mostMeta = 16 << 20
	mostHead = 64 << 10 // octets in which a Message-ID is looked for
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errDamaged: nobody has written this file like that.
var errDamaged = errors.New("the file of the message is damaged: restore it from a backup, or remove it")

// meta is what is to be done with a message. It never changes.
type meta struct {
	ID        ID `json:",omitempty"` // its name
	From      string
	To        []string
	Options   smtpsink.SendOptions
	Enqueued  time.Time
	Seq       uint64    // among those of one process at one time
	NotBefore time.Time `json:",omitzero"`
	Expires   time.Time `json:",omitzero"`
	Keyed     bool      `json:",omitempty"`
	MessageID string    `json:",omitempty"`
	// Wire is how many octets it has when lines end in CRLF.
	Wire int64
}

// before orders messages by when they were enqueued.
func (m *meta) before(o *meta) bool {
	if !m.Enqueued.Equal(o.Enqueued) {
		return m.Enqueued.Before(o.Enqueued)
	}
	return m.Seq < o.Seq
}

// is reports whether this is the same message: not another one of its key.
func (m *meta) is(o *meta) bool { return m.Enqueued.Equal(o.Enqueued) && m.Seq == o.Seq }

// messageWriter writes the octets of a message and takes note of them.
type messageWriter struct {
	f     disk.File
	crc   uint32
	size  int64
	more  int64 // octets that CRLF takes above what is there
	last  byte
	head  []byte // the beginning, until its header has ended
	ended bool
}

func (w *messageWriter) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	w.note(p[:n])
	return n, err
}

func (w *messageWriter) note(p []byte) {
	if len(p) == 0 {
		return
	}
	w.crc = crc32.Update(w.crc, castagnoli, p)
	w.size += int64(len(p))
	w.more += int64(bytes.Count(p, []byte("\n")) - bytes.Count(p, []byte("\r\n")))
	if p[0] == '\n' && w.last == '\r' {
		w.more--
	}
	w.last = p[len(p)-1]
	if w.ended {
		return
	}
	w.head = append(w.head, p[:min(len(p), mostHead-len(w.head))]...)
	w.ended = len(w.head) == mostHead ||
		bytes.Contains(w.head, []byte("\n\n")) || bytes.Contains(w.head, []byte("\n\r\n"))
}

// finish writes what is behind the message.
func (w *messageWriter) finish(m *meta) error {
	envelope, _ := mailbox.ParseEnvelope(w.head, nil)
	m.MessageID = envelope.MessageID
	m.Wire = w.size + w.more
	if m.Options.Binary {
		m.Wire = w.size
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if len(text) > mostMeta {
		return fmt.Errorf("%w: envelope and options take %d octets", mailbox.ErrTooLarge, len(text))
	}
	foot := binary.BigEndian.AppendUint32(text, uint32(len(text)))
	foot = binary.BigEndian.AppendUint32(foot, crc32.Checksum(text, castagnoli))
	foot = binary.BigEndian.AppendUint32(foot, w.crc)
	_, err = w.f.Write(append(foot, footMark...))
	return err
}

// stored is the file of a message, open for reading.
type stored struct {
	f    disk.File
	meta meta
	size int64 // of the message
	crc  uint32
}

// openStored opens the file of a message and reads what is to be done with it.
func openStored(dir disk.Dir, name string) (*stored, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	s := &stored{f: f}
	err = s.read()
	if is := s.meta.ID; err == nil && is != "" && string(is) != path.Base(name) {
		// What has become of it is known under that name.
		err = fmt.Errorf("%w: it is message %s under another name", errDamaged, is)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

func (s *stored) read() error {
	st, err := s.f.Stat()
	if err != nil {
		return err
	}
	var foot [footLen]byte
	at := st.Size() - footLen
	if at < 0 {
		return errDamaged
	}
	if _, err := s.f.ReadAt(foot[:], at); err != nil && err != io.EOF {
		return err
	}
	n := int64(binary.BigEndian.Uint32(foot[:]))
	if string(foot[12:]) != footMark || n > mostMeta || n > at {
		return errDamaged
	}
	text := make([]byte, n)
	if _, err := s.f.ReadAt(text, at-n); err != nil && err != io.EOF {
		return err
	}
	if crc32.Checksum(text, castagnoli) != binary.BigEndian.Uint32(foot[4:]) {
		return errDamaged
	}
	s.crc, s.size = binary.BigEndian.Uint32(foot[8:]), at-n
	if err := unmarshal(text, &s.meta); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	if n := len(s.meta.To); n == 0 || n > mostRecipients {
		return fmt.Errorf("%w: it is to %d recipients", errDamaged, n)
	}
	return nil
}

// unmarshal refuses what this version does not know: an option that is not
// understood must not be ignored.
func unmarshal(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.InputOffset() != int64(len(text)) {
		return errors.New("there is more behind it")
	}
	return nil
}

// body reads a message. Its last octets come only once all of it is known to be
// as it was written, and last, if any, has returned nil. After Close it gives
// nothing: a sender that has come back cannot hand over the message any more.
type body struct {
	ctx    context.Context
	s      *stored
	mu     sync.Mutex // whoever reads
	closed bool
	at     int64
	crc    uint32
	last   func() error
	done   bool
	unsure bool  // for tests: do not look whether it is whole
	err    error // why it cannot be read to its end
}

func (s *stored) body(ctx context.Context, last func() error) *body {
	return &body{ctx: ctx, s: s, last: last}
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, fs.ErrClosed
	}
	if b.err == nil {
		b.err = b.ctx.Err()
	}
	if b.err != nil {
		return 0, b.err
	}
	n := int(min(int64(len(p)), b.s.size-b.at))
	if n > 0 {
		got, err := b.s.f.ReadAt(p[:n], b.at)
		if got < n {
			b.err = err
			if err == io.EOF || err == nil {
				b.err = errDamaged
			}
			return 0, b.err
		}
		b.crc = crc32.Update(b.crc, castagnoli, p[:n])
		b.at += int64(n)
	}
	if b.at < b.s.size {
		return n, nil
	}
	if b.err = b.end(); b.err != nil {
		return 0, b.err
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (b *body) end() error {
	if b.crc != b.s.crc && !b.unsure {
		return errDamaged
	}
	if b.last != nil && !b.done {
		if err := b.last(); err != nil {
			return err
		}
	}
	b.done = true
	return nil
}

// Seek implements io.Seeker as far as a Sender needs it that hands a message over
// several times: to tell where it is, and to begin anew.
func (b *body) Seek(offset int64, whence int) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case offset == 0 && whence == io.SeekCurrent:
	case offset == 0 && whence == io.SeekStart:
		b.at, b.crc = 0, 0
	default:
		return 0, errors.New("a message can be read anew from its beginning only")
	}
	return b.at, nil
}

// Close implements io.Closer.
func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return b.s.f.Close()
}
