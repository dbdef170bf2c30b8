package mailboxtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"

	"github.com/postroom-go/postroom/mailbox"
)

// TestOdd shows that the suite demands no more than the rules: what is odd and
// legal passes.
func TestOdd(t *testing.T) {
	for name, alter := range map[string]func(*driver){
		"bodies in the reverse order":       oddOrder,
		"keys of odd octets, and no epochs": oddIDs,
		"reads of one octet":                func(d *driver) { oddReads(d, iotest.OneByteReader) },
		"io.EOF along with the last octets": func(d *driver) { oddReads(d, endWithData) },
		"folders in any order, no status":   oddFolders,
		"flags of the server's own":         oddFlags,
		"Append spools":                     oddAppend,
		"errors wrapped once more":          oddErrors,
		"no batches of its own":             func(d *driver) { d.acc.single = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Empty(t, failedCases(t, config(wiredCaps(), alter)))
		})
	}
	for name, caps := range map[string]mailbox.Caps{
		"no fast paths":               without("parts", "flags", "append", "folders"),
		"folders that cannot be made": without("parts", "flags", "append"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(caps, nil)
			whole := cfg.New
			cfg.New = func(tb testing.TB) *Instance {
				inst := whole(tb)
				reopen := inst.Reopen
				inst.Box = core{inst.Box}
				inst.Reopen = func() (mailbox.Mailbox, error) { mb, err := reopen(); return core{mb}, err }
				return inst
			}
			assert.Empty(t, failedCases(t, cfg))
		})
	}
}

// oddOrder yields the bodies of Fetch in the reverse of the folder's order.
func oddOrder(d *driver) {
	fetch := d.fetch
	d.fetch = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.FetchOptions) iter.Seq2[*mailbox.Message, error] {
		return func(yield func(*mailbox.Message, error) bool) {
			var found []mailbox.ID
			for m, err := range fetch(ctx, ids, opts) {
				if err != nil {
					yield(nil, err)
					return
				}
				found = append(found, m.ID)
			}
			slices.Reverse(found)
			for _, id := range found {
				for m, err := range fetch(ctx, []mailbox.ID{id}, opts) {
					if !yield(m, err) || err != nil {
						return
					}
				}
			}
		}
	}
}

// oddReads changes how every body is read, and nothing of what.
func oddReads(d *driver, how func(io.Reader) io.Reader) {
	open, openPart := d.open, d.openPart
	d.open = func(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
		body, err := open(ctx, id, opts)
		return altered(body, err, how)
	}
	d.openPart = func(ctx context.Context, id mailbox.ID, part string, opts *mailbox.OpenPartOptions) (io.ReadCloser, error) {
		body, err := openPart(ctx, id, part, opts)
		return altered(body, err, how)
	}
	eachFetched(d, func(m *mailbox.Message) { m.Body = how(m.Body) })
}

// endWithData gives io.EOF along with the last octets.
func endWithData(r io.Reader) io.Reader {
	br := bufio.NewReader(r)
	return readerFunc(func(p []byte) (int, error) {
		if n, err := r.Read(nil); err != nil && err != io.EOF || len(p) == 0 {
			return n, err // the context or the mailbox ended
		}
		n, err := br.Read(p)
		if _, end := br.Peek(1); err == nil && end == io.EOF {
			err = io.EOF
		}
		return n, err
	})
}

// oddFolders yields the folders in reverse, with one that cannot be listed, and
// knows no status.
func oddFolders(d *driver) {
	folders := d.folders
	d.folders = func(ctx context.Context, _ *mailbox.FoldersOptions) iter.Seq2[*mailbox.Folder, error] {
		return func(yield func(*mailbox.Folder, error) bool) {
			all, err := collect(folders(ctx, nil))
			if err != nil {
				yield(nil, err)
				return
			}
			all = append(all, &mailbox.Folder{Name: "[Holder]", NoSelect: true, Attributes: []string{`\Noselect`, `\X-Odd`}},
				&mailbox.Folder{Name: "[Holder]/Sent", NoSelect: true, Role: mailbox.RoleSent, RoleSource: mailbox.RoleByAttribute},
				&mailbox.Folder{Name: "[Holder]/Sent too", NoSelect: true, Role: mailbox.RoleSent, RoleSource: mailbox.RoleByAttribute})
			slices.Reverse(all)
			for _, f := range all {
				if !yield(f, nil) {
					return
				}
			}
		}
	}
}

// oddFlags has flags on every message that nobody set.
func oddFlags(d *driver) {
	own := flags(`\Recent`, "$HasAttachment", "NonJunk")
	eachSummary(d, func(_ int, s *mailbox.Summary, _ *mailbox.ListOptions) bool {
		if s.Fields.Has(mailbox.FieldFlags) {
			s.Flags = append(slices.Clone(own), s.Flags...)
		}
		return true
	})
	eachFetched(d, func(m *mailbox.Message) {
		if m.Fields.Has(mailbox.FieldFlags) {
			m.Flags = append(slices.Clone(own), m.Flags...)
		}
	})
}

// oddAppend reads the message octet by octet before anything else.
func oddAppend(d *driver) {
	add := d.add
	d.add = func(ctx context.Context, folder string, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
		return add(ctx, folder, iotest.HalfReader(message), opts)
	}
}

// oddErrors wraps the errors of Open once more.
func oddErrors(d *driver) {
	open := d.open
	d.open = func(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
		body, err := open(ctx, id, opts)
		if err != nil {
			return nil, fmt.Errorf("this did not work: %w", err)
		}
		return body, nil
	}
}

// oddIDs gives IDs whose epoch is empty and whose keys hold all that needs
// escaping.
func oddIDs(d *driver) {
	const before, after = "\x00\x7f %:/\r\n\"'", "\xff\xfe"
	out := func(id mailbox.ID) mailbox.ID {
		return mailbox.NewID(id.Folder(), "", before+id.Epoch()+" "+id.Key()+after)
	}
	in := func(id mailbox.ID) mailbox.ID {
		rest, ok1 := strings.CutPrefix(id.Key(), before)
		rest, ok2 := strings.CutSuffix(rest, after)
		epoch, key, ok3 := strings.Cut(rest, " ")
		switch {
		case id.Epoch() != "":
			epoch = "stale"
		case !ok1 || !ok2 || !ok3:
			return current(d, mailbox.NewID(id.Folder(), "", "unknown"))
		}
		return mailbox.NewID(id.Folder(), epoch, key)
	}
	translate(d, in, out)
	eachStatus(d, func(st *mailbox.FolderStatus) { st.Epoch = "" })
}

// translate gives a driver other IDs than its store has.
func translate(d *driver, in, out func(mailbox.ID) mailbox.ID) {
	ins := func(ids []mailbox.ID) []mailbox.ID {
		if ids == nil {
			return nil
		}
		all := []mailbox.ID{}
		for _, id := range ids {
			all = append(all, in(id))
		}
		return all
	}
	list, open, openPart, fetch, del, setFlags, add := d.list, d.open, d.openPart, d.fetch, d.del, d.setFlags, d.add
	d.list = func(ctx context.Context, folder string, opts *mailbox.ListOptions) iter.Seq2[*mailbox.Summary, error] {
		o := *opts
		return func(yield func(*mailbox.Summary, error) bool) {
			o.IDs = ins(opts.IDs)
			for s, err := range list(ctx, folder, &o) {
				if s != nil {
					s.ID = out(s.ID)
				}
				for _, id := range opts.IDs {
					if e := (*mailbox.Error)(nil); errors.As(err, &e) && e.ID == in(id) {
						err = about(id, err)
					}
				}
				if !yield(s, err) {
					return
				}
			}
		}
	}
	d.open = func(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
		body, err := open(ctx, in(id), opts)
		return body, about(id, err)
	}
	d.openPart = func(ctx context.Context, id mailbox.ID, part string, opts *mailbox.OpenPartOptions) (io.ReadCloser, error) {
		body, err := openPart(ctx, in(id), part, opts)
		return body, about(id, err)
	}
	d.fetch = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.FetchOptions) iter.Seq2[*mailbox.Message, error] {
		return fetch(ctx, ins(ids), opts)
	}
	eachFetched(d, func(m *mailbox.Message) { m.ID = out(m.ID) })
	d.del = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.DeleteOptions) error {
		return del(ctx, ins(ids), opts)
	}
	d.setFlags = func(ctx context.Context, ids []mailbox.ID, change mailbox.FlagChange, opts *mailbox.SetFlagsOptions) error {
		return setFlags(ctx, ins(ids), change, opts)
	}
	d.add = func(ctx context.Context, folder string, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
		id, err := add(ctx, folder, message, opts)
		if !id.IsZero() {
			id = out(id)
		}
		return id, err
	}
}

// about makes an error one about the ID that the caller knows.
func about(id mailbox.ID, err error) error {
	var e *mailbox.Error
	if errors.As(err, &e) {
		return &mailbox.Error{Op: e.Op, ID: id, Err: e.Err}
	}
	return err
}
