package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/postroom-go/postroom/examples/internal/human"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/transfer"
)

// reporter tells what a run does: events as JSON or as lines for people, the
// progress, and the sum at the end.
type reporter struct {
	app   *app
	flags *pullFlags
	sum   *tally
	json  *json.Encoder
	table *tabwriter.Writer // of a dry run
	rows  int

	mu     sync.Mutex // of what writes to standard error
	bar    *pullBar
	closed bool
}

func newReporter(a *app, f *pullFlags) *reporter {
	r := &reporter{app: a, flags: f, sum: newTally(), json: json.NewEncoder(a.out), table: a.table()}
	r.json.SetEscapeHTML(false)
	if !f.quiet && !f.dryRun && !a.json && !a.trace {
		r.bar = newPullBar(a.err)
	}
	return r
}

// event tells of one event.
func (r *reporter) event(e *transfer.Event) error {
	r.sum.add(e)
	switch {
	case e.Kind == transfer.Ended:
		return nil // the sum has it
	case e.Kind == transfer.Read:
		r.bar.show(e)
		return nil
	case r.app.json:
		return r.json.Encode(toEventJSON(e))
	case r.flags.dryRun:
		return r.would(e)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if line := trouble(e, r.flags.quiet); line != "" {
		r.bar.clear()
		fmt.Fprintln(r.app.err, "postroom:", human.Printable(line))
	}
	r.bar.show(e)
	return nil
}

// trouble is the line for an event that people must know of, else "".
func trouble(e *transfer.Event, quiet bool) string {
	switch e.Kind {
	case transfer.Dead, transfer.Failed, transfer.Unknown, transfer.Kept:
	case transfer.Warning:
		if quiet {
			return ""
		}
		return "warning: " + e.Reason
	default:
		return ""
	}
	line := fmt.Sprintf("%v: %s: %s", e.ID, e.Kind, e.Reason)
	if e.Err != nil && !strings.Contains(line, e.Err.Error()) {
		line += ": " + e.Err.Error()
	}
	return line
}

// tableRows is how many rows of a dry run are aligned with one another: a table
// of everything would have to be kept until its end.
const tableRows = 500

// would adds an event of a dry run to the table.
func (r *reporter) would(e *transfer.Event) error {
	verb, ok := map[transfer.Kind]string{
		transfer.Stored: "store", transfer.Deleted: "delete", transfer.Skipped: "leave", transfer.Known: "know",
		transfer.Kept: "keep", transfer.Failed: "fail", transfer.Dead: "refuse", transfer.Unknown: "look for",
	}[e.Kind]
	switch {
	case e.Kind == transfer.Warning:
		_, err := fmt.Fprintln(r.app.err, "postroom: warning:", human.Printable(e.Reason))
		return err
	case !ok:
		return nil
	}
	if r.rows++; r.rows%tableRows == 0 {
		if err := r.table.Flush(); err != nil {
			return err
		}
	}
	reason := e.Reason
	if e.Kind == transfer.Deleted {
		reason = cmp.Or(reason, "it is stored")
	}
	row(r.table, verb, e.ID.String(), human.Size(e.Size), "in "+e.Target, reason)
	return nil
}

// stopping says that the run is about to end because somebody wants it to.
func (r *reporter) stopping() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.bar.clear()
		fmt.Fprintln(r.app.err, "postroom: stopping: what was read whole is stored first; once more Ctrl-C kills")
	}
}

func (r *reporter) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.bar.clear()
}

// end tells the sum of a run, which is whole unless it failed.
func (r *reporter) end(whole bool) error {
	r.close()
	switch {
	case r.app.json:
		return r.json.Encode(r.sum.json())
	case r.flags.dryRun:
		if err := r.table.Flush(); err != nil {
			return err
		}
	case r.flags.quiet, (r.flags.every > 0 || !whole) && r.sum.nothing():
		return nil
	}
	_, err := fmt.Fprintln(r.app.out, human.Printable(r.sum.text(r.flags.dryRun)))
	return err
}

// eventJSON is an event as --json shows it.
type eventJSON struct {
	Kind   transfer.Kind `json:"kind"`
	Folder string        `json:"folder,omitempty"`
	Target string        `json:"target,omitempty"`
	ID     mailbox.ID    `json:"id,omitzero"`
	To     mailbox.ID    `json:"to,omitzero"`
	Size   int64         `json:"size,omitempty"`
	Reason string        `json:"reason,omitempty"`
	Error  string        `json:"error,omitempty"`
}

func toEventJSON(e *transfer.Event) eventJSON {
	j := eventJSON{Kind: e.Kind, Folder: e.Folder, Target: e.Target, ID: e.ID, To: e.To, Size: e.Size, Reason: e.Reason}
	if e.Err != nil {
		j.Error = e.Err.Error()
	}
	return j
}
