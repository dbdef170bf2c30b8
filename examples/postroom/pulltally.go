package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/postroom-go/postroom/examples/internal/human"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/transfer"
)

// tally sums up the events of a run.
type tally struct {
	began   time.Time
	kinds   map[transfer.Kind]int
	bytes   int64
	targets map[string]bool
	left    map[string]int // why messages were left, and how many
	dead    []letterJSON
	report  *transfer.Report // once the run has come to its end
}

func newTally() *tally {
	return &tally{began: time.Now(), kinds: map[transfer.Kind]int{}, targets: map[string]bool{}, left: map[string]int{}}
}

func (t *tally) add(e *transfer.Event) {
	t.kinds[e.Kind]++
	switch e.Kind {
	case transfer.Stored:
		t.bytes += e.Size
		t.targets[e.Target] = true
	case transfer.Skipped:
		t.left[strings.TrimPrefix(e.Reason, "it is ")]++
	case transfer.Dead:
		t.dead = append(t.dead, letterJSON{e.ID, e.Reason})
	case transfer.Ended:
		t.report = e.Report
	}
}

// incomplete reports whether messages are still on their way.
func (t *tally) incomplete() bool { return t.kinds[transfer.Failed]+t.kinds[transfer.Unknown] > 0 }

// nothing reports whether the run found everything as it was.
func (t *tally) nothing() bool {
	for kind := range t.kinds {
		switch kind {
		case transfer.Began, transfer.Unchanged, transfer.Skipped, transfer.Warning, transfer.Ended:
		default:
			return false
		}
	}
	return true
}

// text is the sum for people, on one line.
func (t *tally) text(dryRun bool) string {
	stored, deleted := "stored in", "deleted at the source"
	if dryRun {
		stored, deleted = "would be stored in", "would be deleted at the source"
	}
	said := []string{"nothing is new"}
	if n := t.kinds[transfer.Stored]; n > 0 {
		said[0] = fmt.Sprintf("%s, %s %s %s", messages(n), human.Size(t.bytes), stored, t.where())
	}
	say := func(n int, what string) {
		if n > 0 {
			said = append(said, fmt.Sprintf("%d %s", n, what))
		}
	}
	say(t.kinds[transfer.Known], "were stored already")
	say(t.kinds[transfer.Deleted], deleted)
	say(t.kinds[transfer.Kept], "could not be deleted at the source")
	for _, why := range slices.Sorted(maps.Keys(t.left)) {
		say(t.left[why], "left ("+why+")")
	}
	say(t.kinds[transfer.Failed], "failed")
	say(t.kinds[transfer.Unknown], "with an unknown outcome")
	if len(t.dead) == 1 {
		say(1, "dead letter")
	} else {
		say(len(t.dead), "dead letters")
	}
	if dryRun {
		said = append(said, "nothing was changed")
	}
	return strings.Join(said, "; ")
}

// where is the folder that messages went to, or how many folders these were.
func (t *tally) where() string {
	if len(t.targets) == 1 {
		for name := range t.targets {
			return name
		}
	}
	return fmt.Sprintf("%d folders", len(t.targets))
}

func messages(n int) string {
	if n == 1 {
		return "1 message"
	}
	return fmt.Sprintf("%d messages", n)
}

// reportJSON is the sum as --json shows it.
type reportJSON struct {
	Kind      string       `json:"kind"`
	Folders   int          `json:"folders"`
	Unchanged int          `json:"unchanged"`
	Listed    int          `json:"listed"`
	Present   int          `json:"present"`
	Stored    int          `json:"stored"`
	Bytes     int64        `json:"bytes"`
	Known     int          `json:"known"`
	Skipped   int          `json:"skipped"`
	Deleted   int          `json:"deleted"`
	Kept      int          `json:"kept"`
	Failed    int          `json:"failed"`
	Unknown   int          `json:"unknown"`
	Dead      []letterJSON `json:"dead_letters"`
	Seconds   float64      `json:"seconds"`
}

// letterJSON is a dead letter.
type letterJSON struct {
	ID     mailbox.ID `json:"id"`
	Reason string     `json:"reason"`
}

func (t *tally) json() reportJSON {
	r := reportJSON{
		Kind: "report", Folders: t.kinds[transfer.Began] + t.kinds[transfer.Unchanged], Unchanged: t.kinds[transfer.Unchanged],
		Stored: t.kinds[transfer.Stored], Bytes: t.bytes, Known: t.kinds[transfer.Known], Skipped: t.kinds[transfer.Skipped],
		Deleted: t.kinds[transfer.Deleted], Kept: t.kinds[transfer.Kept], Failed: t.kinds[transfer.Failed], Unknown: t.kinds[transfer.Unknown],
		Dead: append([]letterJSON{}, t.dead...), Seconds: time.Since(t.began).Seconds(),
	}
	if t.report == nil {
		return r
	}
	r.Listed, r.Present, r.Dead = t.report.Listed, t.report.Present, []letterJSON{}
	for _, d := range t.report.Dead {
		r.Dead = append(r.Dead, letterJSON{d.ID, d.Reason})
	}
	return r
}
