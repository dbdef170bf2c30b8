package maildir

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/internal/flagset"
	"github.com/postroom-go/postroom/mailbox"
)

// ownLetters are the letters of flags that mean the same in every folder, in the
// order of their flags in ownFlags.
const ownLetters = "DFPRST"

// passed is the letter of what was resent or forwarded.
const passed = 'P'

// ownFlags are the flags of ownLetters.
func ownFlags() [len(ownLetters)]mailbox.Flag {
	return [...]mailbox.Flag{mailbox.FlagDraft, mailbox.FlagFlagged, mailbox.FlagForwarded,
		mailbox.FlagAnswered, mailbox.FlagSeen, mailbox.FlagDeleted}
}

// ownLetter is the letter of a flag; 0 if it has none.
func ownLetter(f mailbox.Flag) byte {
	for i, own := range ownFlags() {
		if strings.EqualFold(string(own), string(f)) {
			return ownLetters[i]
		}
	}
	return 0
}

// flagsOf are the flags of a file's info. Letters that nobody knows are none.
func (k *keywords) flagsOf(info, sep string) []mailbox.Flag {
	letters, _ := splitInfo(info, sep)
	if letters == "" {
		return nil
	}
	own := ownFlags()
	flags := make([]mailbox.Flag, 0, len(letters))
	add := func(f mailbox.Flag) {
		if f != "" && !slices.Contains(flags, f) {
			flags = append(flags, f)
		}
	}
	for _, c := range []byte(letters) {
		if i := strings.IndexByte(ownLetters, c); i >= 0 {
			add(own[i])
		} else if c >= 'a' && c <= 'z' && k != nil {
			add(mailbox.Flag(k[c-'a']))
		}
	}
	return flags
}

// lowered reports whether an info has a letter of a keyword.
func lowered(info, sep string) bool {
	letters, _ := splitInfo(info, sep)
	return strings.ContainsFunc(letters, func(r rune) bool { return r >= 'a' && r <= 'z' })
}

// letters gives the letters of a new message's flags. What has none, and can get
// none, is left out.
func (f *folder) letters(ctx context.Context, flags []mailbox.Flag) (string, error) {
	if len(flags) == 0 {
		return "", nil
	}
	if err := flagset.Check(flags); err != nil {
		return "", err
	}
	letters, err := f.lettersOf(ctx, flags, false)
	return edit{add: letters}.apply(""), err
}

// lettersOf gives the letters of flags, and makes letters for keywords. Where
// all is set one that cannot be kept is errors.ErrUnsupported.
func (f *folder) lettersOf(ctx context.Context, flags []mailbox.Flag, all bool) (string, error) {
	var letters []byte
	var words []string
	for _, flag := range flags {
		switch c := ownLetter(flag); {
		case c == passed && f.ofDovecot():
			words = append(words, string(flag))
		case c != 0:
			letters = append(letters, c)
		case !flagset.System(flag):
			words = append(words, string(flag))
		case all:
			return "", fmt.Errorf("a Maildir cannot keep %s: %w", flag, errors.ErrUnsupported)
		}
	}
	if len(words) == 0 {
		return string(letters), nil
	}
	k, err := f.keywordsWith(ctx, words)
	if err != nil {
		return "", err
	}
	for _, w := range words {
		c := k.letter(w)
		if c == 0 {
			c = ownLetter(mailbox.Flag(w))
		}
		if c == 0 && all {
			return "", fmt.Errorf("the folder has %d keywords already, which is all that a Maildir can keep: %w", len(k), errors.ErrUnsupported)
		}
		if c != 0 {
			letters = append(letters, c)
		}
	}
	return string(letters), nil
}

// ofDovecot reports whether Dovecot uses the Maildir. It does not know P, and what
// is forwarded has a keyword's letter there.
func (f *folder) ofDovecot() bool {
	for _, dir := range []disk.Dir{f.files, f.mb.root.dir} {
		if _, err := dir.Lstat(uidlistFile); err == nil {
			return true
		}
	}
	return false
}

// edit is a change of letters.
type edit struct {
	add, remove string
}

// apply gives the letters after the change, in the order of ASCII as the
// specification wants it. Letters that are not concerned stay, whatever they
// mean; where nothing changes, all stays as it is.
func (e edit) apply(old string) string {
	b := slices.DeleteFunc([]byte(old), func(c byte) bool {
		return strings.IndexByte(e.remove, c) >= 0 && strings.IndexByte(e.add, c) < 0
	})
	changed := len(b) != len(old)
	for _, c := range []byte(e.add) {
		if !slices.Contains(b, c) {
			b, changed = append(b, c), true
		}
	}
	if !changed {
		return old
	}
	slices.Sort(b)
	return string(b)
}

// editFor gives what a change of flags does to letters in this folder.
func (f *folder) editFor(ctx context.Context, c mailbox.FlagChange) (edit, error) {
	add, err := f.lettersOf(ctx, slices.Concat(c.Add, c.Replace), true)
	if err != nil {
		return edit{}, err
	}
	k, err := f.keywords()
	if err != nil {
		return edit{}, err
	}
	e := edit{add: add}
	if c.Replace != nil {
		e.remove = ownLetters + k.all()
	}
	for _, flag := range c.Remove {
		for _, l := range []byte{ownLetter(flag), k.letter(string(flag))} {
			if l != 0 {
				e.remove += string(l)
			}
		}
	}
	// What is both added and removed is removed, as in package memory.
	if c.Replace == nil {
		e.add = strings.Map(func(r rune) rune {
			if strings.ContainsRune(e.remove, r) {
				return -1
			}
			return r
		}, e.add)
	}
	return e, nil
}
