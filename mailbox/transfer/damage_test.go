package transfer

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/internal/journal"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/memory"
)

// damaged is a copy of files with an octet of the journal changed, if it has so
// many.
func damaged(t testing.TB, files *disktest.Mem, at int, bits byte) (left *disktest.Mem, changed bool) {
	t.Helper()
	left = files.Crash(disktest.Most)
	for name, text := range left.Files() {
		if filepath.Ext(name) != ".journal" || at >= len(text) {
			continue
		}
		f, err := left.OpenRW(name)
		require.NoError(t, err)
		_, err = f.WriteAt([]byte{text[at] ^ bits}, int64(at))
		require.NoError(t, errors.Join(err, f.Sync(), f.Close()))
		changed = true
	}
	return left, changed
}

// faultDamaged says what is wrong after a run with a damaged journal, which is to
// delete what is stored.
func (s *scenario) faultDamaged(t testing.TB, store *memory.Store, files *disktest.Mem) error {
	t.Helper()
	o := s.opts
	o.Remove = Remove{Stored: true}
	err := runOn(t, store, files, o)
	if err != nil && !errors.Is(err, journal.ErrFormat) {
		return err
	}
	there, e := stored1(t, files)
	if e != nil {
		return e
	}
	left := contents(t, open(t, store), mailbox.Inbox)
	for n := range s.total {
		h := sha256.Sum256(note(n))
		switch {
		case there[h] == 0 && left[h] == 0:
			return fmt.Errorf("message %d is lost", n)
		case there[h] == 0 && err == nil:
			return fmt.Errorf("message %d is not stored", n)
		case there[h] > 2:
			return fmt.Errorf("message %d is there %d times", n, there[h])
		}
		delete(there, h)
	}
	if len(there) > 0 {
		return errors.New("there is a message that nobody sent")
	}
	return nil
}

// damage changes octets of the journals that are left by runs that were halted at
// some operation, or not. It stops at the first fault.
func (s *scenario) damage(t testing.TB) (cases int, fault error) {
	t.Helper()
	bits := []byte{1, 4, 0x20, 0x80, 0xff}
	for k := 5; ; k += 9 {
		files, store := disktest.NewMem(512), filled(t, s.before)
		if s.before > 0 {
			o := s.opts
			o.Remove = Remove{}
			require.NoError(t, runOn(t, store, files, o))
		}
		for n := s.before; n < s.total; n++ {
			require.NoError(t, store.Deliver(mailbox.Inbox, note(n), nil))
		}
		err := runOn(t, store, disktest.FailAt(files, k, disktest.ErrHalted, disktest.Everything), s.opts)
		for at := k % 13; ; at += 13 {
			left, changed := damaged(t, files, at, bits[cases%len(bits)])
			if !changed {
				break
			}
			cases++
			if fault := s.faultDamaged(t, cloned(t, store, s.total), left); fault != nil {
				return cases, fmt.Errorf("octet %d after operation %d: %w", at, k, fault)
			}
		}
		if err == nil {
			return cases, nil
		}
	}
}

// TestHostileDamage: what a damaged journal said is forgotten, and at worst copied
// once more; nothing is deleted that is not stored.
func TestHostileDamage(t *testing.T) {
	cases := 0
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			n, fault := s.damage(t)
			require.NoError(t, fault)
			cases += n
		})
	}
	t.Logf("%d cases", cases)
	assert.Greater(t, cases, 100)
}

// The control: where the destination has lost what the journal says is stored,
// that is found out.
func TestHostileDamageControl(t *testing.T) {
	s := scenarios()[0]
	files, store := disktest.NewMem(512), filled(t, s.total)
	require.NoError(t, runOn(t, store, files, s.opts))
	for name := range files.Files() {
		if dir, base := filepath.Split(name); base != "" && (dir == "new/" || dir == "cur/") {
			require.NoError(t, files.Remove(name))
			break
		}
	}
	require.ErrorContains(t, s.faultDamaged(t, store, files), "is lost")
}
