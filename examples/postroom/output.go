package main

import (
	"encoding/json"
	"fmt"
	"net/mail"
	"strings"
	"text/tabwriter"

	"github.com/postroom-go/postroom/examples/internal/human"
	"github.com/postroom-go/postroom/mailbox"
)

// printJSON prints one object on a line.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// table aligns tab-separated cells.
func (a *app) table() *tabwriter.Writer { return tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0) }

// row prints cells that hold what strangers wrote: nothing in them may move the
// cursor or change the terminal.
func row(w *tabwriter.Writer, cells ...string) {
	for i, c := range cells {
		cells[i] = human.Printable(c)
	}
	fmt.Fprintln(w, strings.Join(cells, "\t"))
}

// short cuts a cell to n characters.
func short(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "\u2026"
	}
	return s
}

func addresses(list []mail.Address) []string {
	all := make([]string, 0, len(list))
	for _, a := range list {
		switch {
		case a.Name == "":
			all = append(all, a.Address)
		case a.Address == "":
			all = append(all, a.Name)
		default:
			all = append(all, a.Name+" <"+a.Address+">")
		}
	}
	return all
}

// partJSON is a part as --json shows it.
type partJSON struct {
	Part        string `json:"part"`
	Type        string `json:"type"`
	Filename    string `json:"filename,omitempty"`
	Disposition string `json:"disposition,omitempty"`
	Encoding    string `json:"encoding,omitempty"`
	Charset     string `json:"charset,omitempty"`
	Size        int64  `json:"size"`
	Attachment  bool   `json:"attachment"`
}

func toPartJSON(p *mailbox.Part, attachment bool) partJSON {
	return partJSON{p.ID, p.Type, p.Filename(), p.Disposition, p.Encoding, p.Params["charset"], p.Size, attachment}
}
