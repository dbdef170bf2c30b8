package mailboxtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/batch"
	"github.com/postroom-go/postroom/mailbox/folders"
)

// collect gives what a sequence yields up to its first error.
func collect[V any](seq iter.Seq2[*V, error]) ([]*V, error) {
	var all []*V
	for v, err := range seq {
		if err != nil {
			return all, err
		}
		if v == nil {
			return all, errors.New("the sequence yields a nil pointer without an error")
		}
		all = append(all, v)
	}
	return all, nil
}

// first is the error of a sequence that should yield nothing else.
func first[V any](seq iter.Seq2[*V, error]) error {
	all, err := collect(seq)
	if len(all) > 0 {
		return fmt.Errorf("%d values come before the error: %w", len(all), errors.Join(err))
	}
	return err
}

// idsOf are the IDs of summaries.
func idsOf(all []*mailbox.Summary) []mailbox.ID {
	ids := make([]mailbox.ID, 0, len(all))
	for _, s := range all {
		ids = append(ids, s.ID)
	}
	return ids
}

// list lists a folder; an error ends the case.
func (t *tester) list(folder string, opts *mailbox.ListOptions) []*mailbox.Summary {
	all, err := collect(t.box.List(t.ctx, folder, opts))
	t.must(fmt.Sprintf("List %q", folder), err)
	return all
}

// ids lists the IDs of a folder.
func (t *tester) ids(folder string) []mailbox.ID {
	return idsOf(t.list(folder, &mailbox.ListOptions{Fields: mailbox.FieldsNone}))
}

// wantIDs checks what a folder lists, in its order.
func (t *tester) wantIDs(folder string, want ...mailbox.ID) {
	if got := t.ids(folder); !slices.Equal(got, want) {
		t.Errorf("%s lists %v, want %v", folder, got, want)
	}
}

// readAll reads a whole message.
func readAll(ctx context.Context, mb mailbox.Mailbox, id mailbox.ID, opts *mailbox.OpenOptions) ([]byte, error) {
	r, err := mb.Open(ctx, id, opts)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(r)
	if cerr := r.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("close after reading: %w", cerr)
	}
	return raw, err
}

// read reads a whole message; an error ends the case.
func (t *tester) read(id mailbox.ID) []byte {
	raw, err := readAll(t.ctx, t.box, id, nil)
	t.must(fmt.Sprintf("reading %v", id), err)
	return raw
}

// number is the number of a numbered message, read from its body.
func (t *tester) number(id mailbox.ID) int {
	n, ok := numberOf(t.read(id))
	if !ok {
		t.Fatalf("%v is none of the numbered messages", id)
	}
	return n
}

// wantNumbers checks which numbered messages a folder holds, in its order.
func (t *tester) wantNumbers(folder string, want ...int) {
	var got []int
	for _, id := range t.ids(folder) {
		got = append(got, t.number(id))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s holds the messages %v, want %v", folder, got, want)
	}
}

// same checks octets, and says where they begin to differ.
func (t *tester) same(what string, got, want []byte) {
	if bytes.Equal(got, want) {
		return
	}
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	t.Errorf("%s: %d octets, want %d; they differ from octet %d on: %.60q, want %.60q",
		what, len(got), len(want), i, got[i:], want[i:])
}

// wantErr checks that err is one of the targets.
func (t *tester) wantErr(what string, err error, targets ...error) {
	if err == nil {
		t.Errorf("%s: no error, want %v", what, targets)
		return
	}
	for _, target := range targets {
		if errors.Is(err, target) {
			return
		}
	}
	t.Errorf("%s: the error is %q, want %v", what, err, targets)
}

// call is one call of a method that takes an ID or a folder, for cases that
// hold for all of them.
type call struct {
	name string
	err  func() error
}

// reads are the calls that read the message.
func (t *tester) reads(ctx context.Context, id mailbox.ID) []call {
	mb := t.box
	return []call{
		{"Open", func() error { _, err := readAll(ctx, mb, id, nil); return err }},
		{"Open with HeaderOnly", func() error {
			_, err := readAll(ctx, mb, id, &mailbox.OpenOptions{HeaderOnly: true})
			return err
		}},
		{"OpenPart", func() error { _, err := readPart(ctx, mb, id, "1", nil); return err }},
		{"Get", func() error { _, err := mailbox.Get(ctx, mb, id, mailbox.FieldsNone); return err }},
	}
}

// scans are the calls that list messages or folders.
func (t *tester) scans(ctx context.Context, id mailbox.ID) []call {
	mb := t.box
	return []call{
		{"List", func() error { return first(mb.List(ctx, id.Folder(), nil)) }},
		{"List with IDs", func() error {
			return first(mb.List(ctx, id.Folder(), &mailbox.ListOptions{IDs: []mailbox.ID{id}}))
		}},
		{"Fetch", func() error { return first(mailbox.Fetch(ctx, mb, []mailbox.ID{id}, nil)) }},
		{"Folders", func() error { return first(mb.Folders(ctx, nil)) }},
	}
}

// changes are the calls that change the message, or add one or a folder, as far
// as the account can.
func (t *tester) changes(ctx context.Context, id mailbox.ID) []call {
	mb := t.box
	var all []call
	if t.caps.Delete {
		all = append(all, call{"Delete", func() error { return mb.Delete(ctx, []mailbox.ID{id}, nil) }})
	}
	if t.caps.Flags {
		all = append(all, call{"SetFlags", func() error {
			return mailbox.SetFlags(ctx, mb, []mailbox.ID{id}, mailbox.FlagChange{Add: []mailbox.Flag{mailbox.FlagFlagged}}, nil)
		}})
	}
	if t.caps.Append {
		all = append(all, call{"Append", func() error {
			_, err := mailbox.Append(ctx, mb, id.Folder(), bytes.NewReader(numbered(99)), nil)
			return err
		}}, call{"a batch", func() error {
			b, err := batch.New(ctx, mb, id.Folder())
			if err == nil {
				_, err = b.Add(ctx, bytes.NewReader(numbered(98)), nil)
			}
			if err == nil {
				err = b.Commit(ctx)
			}
			return err
		}})
	}
	if _, ok := mb.(folders.Creator); ok && t.caps.Folders {
		all = append(all, call{"CreateFolder", func() error { return folders.Create(ctx, mb, "Made by the suite", nil) }})
	}
	return all
}

// readPart reads a whole part.
func readPart(ctx context.Context, mb mailbox.Mailbox, id mailbox.ID, part string, opts *mailbox.OpenPartOptions) ([]byte, error) {
	r, err := mailbox.OpenPart(ctx, mb, id, part, opts)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(r)
	if cerr := r.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("close after reading: %w", cerr)
	}
	return raw, err
}
