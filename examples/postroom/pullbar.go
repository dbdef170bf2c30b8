package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/postroom-go/postroom/examples/internal/human"
	"github.com/postroom-go/postroom/mailbox/transfer"
)

// pullBar shows how far a run has come. A nil one shows nothing.
type pullBar struct {
	mu     sync.Mutex
	bar    *progressbar.ProgressBar
	latest transfer.Event
	next   *time.Timer // the next picture, nil if nothing is new
}

// barPause is from an event to its picture. Many messages are confirmed at a
// time: a picture for each would take longer than the mail, and one of the first
// would say too little until the next ones come.
const barPause = 100 * time.Millisecond

// newPullBar gives the bar for standard error, nil where that is no terminal.
func newPullBar(w io.Writer) *pullBar {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return newBarOn(f)
}

func newBarOn(f *os.File) *pullBar {
	bar := progressbar.NewOptions64(1,
		progressbar.OptionSetWriter(f),
		progressbar.OptionShowBytes(true),
		progressbar.OptionShowCount(),
		progressbar.OptionUseIECUnits(true),
		progressbar.OptionFullWidth())
	bar.StartWithoutRender() // the rate counts from here
	return &pullBar{bar: bar}
}

// show notes what an event says of the progress.
func (b *pullBar) show(e *transfer.Event) {
	if b == nil || e.DoneBytes == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.latest = *e
	if b.next == nil {
		b.next = time.AfterFunc(barPause, b.draw)
	}
}

// draw draws the latest state.
func (b *pullBar) draw() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		return // cleared meanwhile
	}
	b.next = nil
	e := &b.latest
	// One octet more than there are: the bar believes at its end that all is over,
	// while the next folder may bring more.
	if most := e.TotalBytes + 1; b.bar.GetMax64() != most {
		b.bar.ChangeMax64(most)
	}
	_ = b.bar.Set64(e.DoneBytes) // nothing depends on a picture
	b.bar.Describe(fmt.Sprintf("%s %d/%d", short(human.Printable(e.Folder), 20), e.Done, e.Total))
}

// clear takes the bar off the screen, for a line in its place.
func (b *pullBar) clear() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next != nil {
		b.next.Stop()
		b.next = nil
	}
	_ = b.bar.Clear()
}
