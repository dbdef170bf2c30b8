package maildir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postroom-go/postroom/internal/flagset"
	"github.com/postroom-go/postroom/mailbox"
)

const (
	keywordsFile = "dovecot-keywords"
	keywordsLock = "dovecot-keywords.lock"
	// uidlistFile is in every folder that Dovecot has opened, and uidlistLock is
	// what it holds while it changes the keywords.
	uidlistFile = "dovecot-uidlist"
	uidlistLock = "dovecot-uidlist.lock"
	// maxKeywordsFile is how much of the file is read.
	maxKeywordsFile = 64 << 10
	// lockStale is when a lock is left over from a program that died, lockPoll
	// how often it is looked at, lockWait how long somebody waits for it.
	lockStale = 2 * time.Minute
	lockPoll  = 20 * time.Millisecond
	lockWait  = 3 * time.Minute
)

// keywords are the keywords of a folder; that of the letter a is the first. ""
// is a letter that is free.
type keywords [26]string

func (k *keywords) letter(word string) byte {
	for i, w := range k {
		if w != "" && strings.EqualFold(w, word) {
			return byte('a' + i)
		}
	}
	return 0
}

// all are the letters that have a keyword.
func (k *keywords) all() string {
	var b []byte
	for i, w := range k {
		if w != "" {
			b = append(b, byte('a'+i))
		}
	}
	return string(b)
}

// add gives words letters as long as there are some; changed tells whether one
// is new.
func (k *keywords) add(words []string) (changed bool) {
	for _, w := range words {
		if k.letter(w) != 0 {
			continue
		}
		i := slices.Index(k[:], "")
		if i < 0 {
			break
		}
		k[i], changed = w, true
	}
	return changed
}

// parseKeywords reads Dovecot's dovecot-keywords: lines with a number and a
// word. Of lines with one number or one word the first holds.
func parseKeywords(text []byte) *keywords {
	k := &keywords{}
	for line := range bytes.Lines(text) {
		number, word, _ := strings.Cut(strings.TrimRight(string(line), "\r\n"), " ")
		n, err := strconv.Atoi(number)
		f := mailbox.Flag(word)
		if err == nil && n >= 0 && n < len(k) && k[n] == "" && flagset.Valid(f) && !flagset.System(f) && k.letter(word) == 0 {
			k[n] = word
		}
	}
	return k
}

func (k *keywords) String() string {
	var b strings.Builder
	for i, w := range k {
		if w != "" {
			fmt.Fprintf(&b, "%d %s\n", i, w)
		}
	}
	return b.String()
}

// keywords reads the folder's keywords.
func (f *folder) keywords() (*keywords, error) {
	file, err := f.files.Open(keywordsFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &keywords{}, nil
	case err != nil:
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxKeywordsFile))
	if err != nil {
		return nil, err
	}
	return parseKeywords(text), nil
}

// keywordsWith gives the folder's keywords with words among them, as far as there
// is room.
func (f *folder) keywordsWith(ctx context.Context, words []string) (*keywords, error) {
	k, err := f.keywords()
	if err != nil || !k.add(words) {
		return k, err
	}
	unlock, err := f.dotlock(ctx, uidlistLock)
	if err != nil {
		return nil, err
	}
	defer unlock()
	unlock, err = f.dotlock(ctx, keywordsLock)
	if err != nil {
		return nil, err
	}
	if k, err = f.keywords(); err == nil && k.add(words) {
		if err = f.writeKeywords(ctx, k); err == nil {
			return k, nil // the lock has become the file
		}
	}
	unlock()
	return k, err
}

// writeKeywords replaces the file by its lock. The letters must last before a
// message has them.
func (f *folder) writeKeywords(ctx context.Context, k *keywords) error {
	return f.mb.commit(ctx, func() error {
		file, err := f.files.OpenRW(keywordsLock)
		if err != nil {
			return err
		}
		if err = file.Truncate(0); err == nil {
			_, err = file.WriteAt([]byte(k.String()), 0)
		}
		if err == nil {
			err = file.Sync()
		}
		if cerr := file.Close(); err == nil {
			err = cerr
		}
		if err == nil {
			err = f.files.SetTime(keywordsLock, f.keywordsTime())
		}
		if err == nil {
			err = f.files.Replace(keywordsLock, keywordsFile)
		}
		if err == nil {
			err = f.files.SyncDir(".")
		}
		return err
	})
}

// keywordsTime is what the file must have as its time of modification. Dovecot
// reads it again if that has other seconds than before, and else calls letters
// that are new to it "unknown-7".
func (f *folder) keywordsTime() time.Time {
	now := f.mb.now().Truncate(time.Second)
	if info, err := f.files.Lstat(keywordsFile); err == nil {
		if next := info.ModTime().Truncate(time.Second).Add(time.Second); next.After(now) {
			return next
		}
	}
	return now
}

// dotlock makes a lock file as Dovecot does, and waits for one that is there.
func (f *folder) dotlock(ctx context.Context, name string) (unlock func(), err error) {
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for waited := time.Duration(0); ; waited += lockPoll {
		file, err := f.files.Create(name)
		if err == nil {
			_, err = fmt.Fprintf(file, "%d:%s", f.mb.pid, f.mb.host)
			if cerr := file.Close(); err == nil {
				err = cerr
			}
			if err != nil {
				_ = f.files.Remove(name)
				return nil, err
			}
			return func() { _ = f.files.Remove(name) }, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		if f.breakStale(name) {
			continue
		}
		if waited >= lockWait {
			return nil, fmt.Errorf("%s is locked by another program: %w", name, mailbox.ErrBusy)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-f.mb.closed:
			return nil, mailbox.ErrClosed
		}
	}
}

// breakStale takes a lock away that is left over. Two that do so at a time must
// not take away each other's new one: so it is moved aside, and looked at there.
func (f *folder) breakStale(name string) bool {
	if !f.stale(name) {
		return false
	}
	aside, err := f.uniqueName()
	if err != nil {
		return false
	}
	aside = "tmp/" + aside
	if err := f.files.Move(name, aside); err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	if !f.stale(aside) && f.files.Move(aside, name) == nil {
		return false
	}
	_ = f.files.Remove(aside)
	return true
}

func (f *folder) stale(name string) bool {
	info, err := f.files.Lstat(name)
	return err == nil && f.mb.now().Sub(info.ModTime()) > lockStale
}
