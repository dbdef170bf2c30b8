package transfer

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/postroom-go/postroom/internal/spool"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/batch"
)

// Bounds of a group, the messages that are confirmed and journaled together. A
// local destination waits for the disk once for all of them; for one across the
// network they wait in memory and temporary files.
const (
	batchMessages = 1000
	batchBytes    = 32 << 20
	batchTime     = 10 * time.Second
	spoolMessages = 32
	spoolBytes    = 8 << 20
	appenders     = 3 // connections at most, if the order is free
)

// msg is one message in a group.
type msg struct {
	item   item
	entry  entry
	intent *intent
	opts   mailbox.AppendOptions
	spool  *spool.Spool
	size   int64      // as read
	to     mailbox.ID // in the destination, if that is known
	err    error      // why the destination does not have it
}

// group is messages that were read, on their way into one folder.
type group struct {
	dst   mailbox.Mailbox
	batch batch.Batch // nil: each is appended
	after mailbox.ID  // then, the newest message of the folder
	msgs  []*msg
	most  int // messages
	bytes int64
	begun time.Time
	err   error // ends the run

	unordered bool
	unsafe    bool // for tests: do not wait for the journal
}

func (r *run) newGroup(target string) (*group, error) {
	g := &group{dst: r.dst, begun: time.Now(), most: batchMessages, unordered: r.opts.Unordered, unsafe: r.opts.off.intents}
	if r.opts.messages > 0 {
		g.most = r.opts.messages
	}
	if _, ok := r.dst.(batch.Batcher); ok {
		var err error
		if g.batch, err = batch.New(r.ctx, r.dst, target); err != nil {
			return nil, err
		}
		return g, nil
	}
	g.most = min(g.most, spoolMessages)
	for s, err := range r.dst.List(r.ctx, target, &mailbox.ListOptions{Newest: 1, Fields: mailbox.FieldsNone}) {
		if err != nil {
			return nil, err
		}
		g.after = s.ID
	}
	return g, nil
}

func (g *group) full() bool {
	if g.batch == nil {
		return len(g.msgs) >= g.most || g.bytes >= spoolBytes
	}
	return len(g.msgs) >= g.most || g.bytes >= batchBytes || time.Since(g.begun) > batchTime
}

// add takes a message in, and knows its digest then.
func (g *group) add(ctx context.Context, m *msg, body *source) (err error) {
	if g.batch != nil {
		m.to, err = g.batch.Add(ctx, body, &m.opts)
		m.intent.to = m.to
	} else {
		m.spool, m.intent.digest, err = spooled(body)
	}
	if err != nil {
		m.close()
		return err
	}
	g.keep(m, body)
	return nil
}

// keep counts a message that was read.
func (g *group) keep(m *msg, body *source) {
	m.entry.digest, m.entry.essence = body.digest()
	m.entry.name = body.name()
	m.size, m.intent.stored = body.n, body.n
	if m.spool != nil {
		m.intent.stored, m.intent.after = m.spool.Size(), g.after
	}
	if m.intent.to.IsZero() {
		m.intent.messageID = body.messageID()
	}
	g.msgs = append(g.msgs, m)
	g.bytes += body.n
}

// spooled reads a message whole, as it is to be sent, and gives its digest as it
// will be found.
func spooled(body *source) (*spool.Spool, sum, error) {
	sp, c := spool.New(nil), newCanonical()
	if _, err := io.Copy(&crlf{w: io.MultiWriter(sp, c)}, body); err != nil {
		_ = sp.Close()
		return nil, sum{}, err
	}
	sp.CloseWithError(nil)
	return sp, c.sum(), nil
}

func (m *msg) close() {
	if m.spool != nil {
		_ = m.spool.Close()
		m.spool = nil
	}
}

// commit has the destination store the group: first the journal learns what is
// on its way and where to, then it goes.
func (g *group) commit(ctx context.Context, l *ledger) {
	defer g.close()
	for _, m := range g.msgs {
		if g.err = l.intend(m.entry, m.intent); g.err != nil {
			return
		}
	}
	if !g.unsafe {
		if g.err = l.sync(); g.err != nil {
			return
		}
	}
	if g.batch != nil {
		g.err = g.batch.Commit(ctx)
	} else {
		g.err = g.appendAll(ctx)
	}
	if g.batch != nil && g.err != nil {
		return // some may be there: the next run looks
	}
	g.err = errors.Join(g.err, g.note(l))
}

// note tells the journal how it went. It need not be durable before something is
// deleted: a crash until then has the next run look for the messages.
func (g *group) note(l *ledger) error {
	var there, gone []sum
	for _, m := range g.msgs {
		switch {
		case m.err == nil:
			there = append(there, m.entry.key)
		case !errors.Is(m.err, mailbox.ErrUnknownOutcome):
			gone = append(gone, m.entry.key)
		}
	}
	return errors.Join(l.note(stored, there...), l.note(none, gone...))
}

// appendAll appends each message, over a few connections where there are many.
// The error is one that the next message would meet as well.
func (g *group) appendAll(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	var stop error
	next := 0
	take := func() *msg {
		mu.Lock()
		defer mu.Unlock()
		if stop != nil || next == len(g.msgs) {
			return nil
		}
		next++
		return g.msgs[next-1]
	}
	workers := 1
	if g.unordered {
		workers = max(1, min(appenders, g.dst.Caps().Connections))
	}
	for range workers {
		wg.Go(func() {
			for m := take(); m != nil; m = take() {
				m.opts.Size = m.spool.Size()
				m.to, m.err = mailbox.Append(ctx, g.dst, m.intent.target, m.spool.NewReader(), &m.opts)
				m.close()
				unknown := errors.Is(m.err, mailbox.ErrUnknownOutcome)
				if m.err != nil && (ctx.Err() != nil || stops(m.err) && !unknown) {
					mu.Lock()
					if stop = m.err; unknown {
						stop = ctx.Err() // the others are not sent
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	for _, m := range g.msgs[next:] {
		m.err = stop // never sent
	}
	return stop
}

// close frees what was not committed.
func (g *group) close() {
	for _, m := range g.msgs {
		m.close()
	}
	if g.batch != nil {
		_ = g.batch.Close() // what is left are temporary files
	}
}
