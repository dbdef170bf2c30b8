package outbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

// RunOptions are the options of Run. Nil and zero send one message at a time,
// hold what is Unknown, and file no copies. The functions may call any method of
// the Outbox but Close and Run; what they do to the message that they were given
// is mailbox.ErrBusy. One of Look and Sent is called at a time.
type RunOptions struct {
	// Parallel is how many messages are sent at a time; 0 is one. Messages
	// start in the order in which they are due.
	Parallel int
	// OnUnknown is what is done about a message of which nobody knows whether
	// the server took it. Resend sends it once more, and holds it if that is not
	// answered either: there are two of it at most.
	OnUnknown Decision
	// Look, if not nil, is asked in place of OnUnknown: it looks for the message
	// where it would be if it had been taken, such as by its Message-ID in the
	// Sent folder, the first time after Options.RetryMin. What was found is
	// accepted. What was not is sent once more; after that it is looked for
	// until it is found, and not sent a third time. After an error it is asked
	// again later.
	Look func(ctx context.Context, e *Entry) (found bool, err error)
	// Sent, if not nil, files the copy of a message that was accepted, by some of
	// its recipients at least: once for each message. After an error it is asked
	// again later, and after a crash it may be asked again for a message that it
	// has filed, so it looks first. The message is never sent again for that.
	Sent func(ctx context.Context, e *Entry, r *smtpsink.Receipt) error
	// Notify, if not nil, is told of each message that begins to be sent, and of
	// whatever has come of one, when that is durable; what is followed at once by
	// something else, as Unknown by what OnUnknown decides, may be left out. It is
	// called for one at a time.
	Notify func(e *Entry)
	// Once has Run return nil when nothing is due any more.
	Once bool
	// Grace is how long what is being sent, looked for or filed when ctx ends
	// may go on before it is cut. A message that is cut behind its last octet is
	// Unknown. 0 is five seconds, negative is none.
	Grace time.Duration
	// Rescan is how often to look for what other processes have enqueued; 0 is
	// every minute, negative is never again after the beginning.
	Rescan time.Duration
}

// run is a Run under way.
type run struct {
	o       *Outbox
	opts    RunOptions
	sender  smtpsink.Sender
	ctx     context.Context // of what is being done
	cut     context.CancelCauseFunc
	told    context.Context // ends when the run is to end
	woken   chan struct{}
	ended   chan struct{}
	telling chan struct{} // whoever fills it tells Notify
	wait    sync.WaitGroup

	// Locked with the outbox.
	send, other lane
	err         error // why it ends
}

// Run sends what is due until ctx ends, and returns ctx's error then. One Run of
// an Outbox is under way at a time, else it is mailbox.ErrBusy. It returns
// earlier with an error that the next message would meet as well and that waiting
// does not mend: mailbox.ErrAuth, ErrCertificate, ErrTLSRequired, ErrTLSInjection
// or ErrClosed of the sender, whom it does not close, a server that refused the
// session for good, and errors of the disk, after which the outbox is to be closed
// and opened again. No message has lost a try by it.
//
// A message that is refused for now, or could not be sent, is tried again after
// Options.RetryMin and more. If the server could not be reached, or has not
// answered a message, none is sent until then. With SendOptions.Partial only the
// recipients who have not got it are tried again. What is refused for good is Dead.
//
// Sender must hand over the last octets of a message only when it has read the
// message to its end: right before them the journal is told, and waited for. If
// the program dies after that and before the journal knows the answer, the
// message is Unknown; if it dies before, it is sent again. A Sender that reads
// ahead of the connection, as a Sink does with short messages, makes more of them
// Unknown when the program is killed; so end ctx, and wait for Run. What a Sender
// says was accepted though it has not read all of it is Unknown, and so is what
// it has read, where it has an error and no receipt.
func (o *Outbox) Run(ctx context.Context, sender smtpsink.Sender, opts *RunOptions) error {
	r := &run{o: o, sender: sender, woken: make(chan struct{}, 1), ended: make(chan struct{}), telling: make(chan struct{}, 1)}
	if opts != nil {
		r.opts = *opts
	}
	if r.opts.Grace == 0 {
		r.opts.Grace = 5 * time.Second
	}
	if r.opts.Rescan == 0 {
		r.opts.Rescan = time.Minute
	}
	r.send.most, r.other.most = max(1, r.opts.Parallel), 1
	r.told = ctx
	r.ctx, r.cut = context.WithCancelCause(context.WithoutCancel(ctx))
	defer r.cut(nil)
	if err := o.begin(r); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, r.grace)
	defer stop()
	r.loop()
	r.wait.Wait()
	return o.end(r)
}

// grace cuts what is under way some time after ctx has ended.
func (r *run) grace() {
	if r.opts.Grace > 0 {
		t := time.NewTimer(r.opts.Grace)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.ended:
		case <-r.ctx.Done():
		}
	}
	r.cut(context.Cause(r.told))
}

func (o *Outbox) begin(r *run) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed:
		return fault("run", mailbox.ErrClosed)
	case o.run != nil:
		return fault("run", fmt.Errorf("%w: another Run is under way", mailbox.ErrBusy))
	}
	o.run = r
	for _, it := range o.items {
		o.plan(it)
	}
	return nil
}

func (o *Outbox) end(r *run) error {
	err := o.settle()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.run = nil
	for _, it := range o.items {
		it.lane, it.busy, it.job = nil, false, jobNone
	}
	close(r.ended)
	if r.err != nil {
		err = errors.Join(r.err, err)
	}
	return err
}

// fail ends the run. The first reason counts. The outbox is locked.
func (r *run) fail(err error) {
	if r.err == nil && err != nil {
		r.err = err
	}
	r.o.wake()
}

// loop begins what is due, and waits for what comes next.
func (r *run) loop() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var scanned time.Time
	for {
		now := time.Now()
		if scanned.IsZero() || r.opts.Rescan > 0 && now.Sub(scanned) >= r.opts.Rescan {
			scanned = now
			r.rescan()
		}
		if err := r.o.compact(); err != nil {
			r.o.mu.Lock()
			r.fail(err)
			r.o.mu.Unlock()
		}
		next, more := r.start()
		if !more {
			return
		}
		if r.opts.Rescan > 0 {
			if again := scanned.Add(r.opts.Rescan); next.IsZero() || again.Before(next) {
				next = again
			}
		}
		timer.Stop()
		var due <-chan time.Time
		if !next.IsZero() {
			timer.Reset(time.Until(next))
			due = timer.C
		}
		select {
		case <-due:
		case <-r.woken:
		case <-r.told.Done():
		case <-r.ctx.Done():
		}
	}
}

// rescan looks for what other processes have enqueued.
func (r *run) rescan() {
	o := r.o
	err := o.scan()
	o.mu.Lock()
	if err != nil {
		r.fail(fault("run", err))
	}
	unwanted := len(o.unwanted)
	o.mu.Unlock()
	if unwanted > 0 {
		r.settle()
	}
}

// settle is the outbox's, and its error ends the run.
func (r *run) settle() (done bool) {
	err := r.o.settle()
	if err != nil {
		r.o.mu.Lock()
		r.fail(err)
		r.o.mu.Unlock()
	}
	return err == nil
}

// start begins all that is due and for which there is room. next is when there
// will be more, zero if that is not known; more is false at the end of the run.
func (r *run) start() (next time.Time, more bool) {
	o := r.o
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now() // not before what was planned
	if r.err == nil {
		switch {
		case r.ctx.Err() != nil:
			r.err = context.Cause(r.ctx)
		case r.told.Err() != nil:
			r.err = fault("run", r.told.Err())
		}
	}
	if r.err != nil {
		return next, false
	}
	for _, l := range []*lane{&r.send, &r.other} {
		for it := l.take(now); it != nil; it = l.take(now) {
			r.wait.Go(func() { r.work(l, it) })
		}
		if at, ok := l.next(); ok && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next, !r.opts.Once || r.send.busy+r.other.busy > 0
}

// work does what is due about one message. The next one begins while the disk is
// waited for.
func (r *run) work(l *lane, it *item) {
	o, back := r.o, false
	defer func() {
		if !back {
			r.abandon(l, it)
		}
	}()
	if it.job == jobSend {
		r.tell(it)
	}
	var v verdict
	var err error
	switch it.job {
	case jobSend:
		v, err = r.sendOne(it)
	case jobCopy:
		err = r.copyOne(it)
	case jobDecide:
		err = r.decideOne(it)
	}
	o.mu.Lock()
	back = true
	it.busy = false
	l.busy--
	switch {
	case v.pause && time.Now().Before(l.pause):
		// It was under way when another one failed.
	case v.pause:
		l.failures++
		l.pause = time.Now().Add(max(o.delay(l.failures), v.least))
	case v.stop == nil && !v.again && it.job == jobSend:
		l.failures = 0
	}
	if err == nil {
		err = v.stop
	}
	o.plan(it)
	r.fail(err)
	o.mu.Unlock()
	if r.settle() {
		r.tell(it)
	}
}

// abandon is for a message whose sender or function has not come back but ended
// its goroutine (runtime.Goexit, as testing's FailNow does) or panicked.
func (r *run) abandon(l *lane, it *item) {
	r.o.mu.Lock()
	defer r.o.mu.Unlock()
	r.o.recover(it) // what was being handed over may have been taken
	it.busy = false
	l.busy--
	r.fail(fault("run", errors.New("a Sender or a function of RunOptions has ended its goroutine")))
}

// tell tells Notify of a message, if there is something new.
func (r *run) tell(it *item) {
	if r.opts.Notify == nil {
		return
	}
	r.telling <- struct{}{}
	defer func() { <-r.telling }()
	r.o.mu.Lock()
	e := r.o.entry(it)
	now := told{e.State, e.Tries, e.Resent, e.CopyTries}
	news := it.told != now
	it.told = now
	r.o.mu.Unlock()
	if news {
		r.opts.Notify(e)
	}
}

// told is what Notify knows of a message.
type told struct {
	state                    State
	tries, resent, copyTries int
}
