package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/postroom-go/postroom/examples/internal/account"
	"github.com/postroom-go/postroom/examples/internal/human"
	"github.com/postroom-go/postroom/smtpsink"
	"github.com/postroom-go/postroom/smtpsink/compose"
)

const sendHelp = `Send one message that flags describe, or many that are there already.

  postroom send smtps://alice@smtp.example.com --from alice@example.com --to bob@example.net \
      --subject "The report" --text "Here it is." --attach report.pdf
  postroom send smtps://alice@smtp.example.com --raw *.eml

` + account.SinkHelp + `

An address in the URL's place has its servers looked up, and keeps the copy in its
own Sent folder.

With --raw the arguments are files of one message each, sent as they are over one
connection, but for Bcc fields and the line "From " that an mbox has ahead of a
message; - is standard input. Who they are from and to stands in their headers,
unless --from and --to say otherwise.

--copy names the account that keeps the copy: its Sent folder over IMAP, unless
the provider files one by itself, or a Maildir. Its password comes from
POSTROOM_COPY_PASSWORD or --copy-password-file, and is POSTROOM_PASSWORD without
these.

A message of which no answer came is told as "unknown": it may have been sent.
Nothing sends it again by itself. What was not sent since the program was stopped
is told as well. It exits with 1 if a message was not accepted for everybody, with
--partial, too, or if its copy was not kept.`

// maxText is the most octets of a text.
const maxText = 16 << 20

// sendGC is how many percent the heap may grow between collections: what is kept of
// a message is little and lives for milliseconds, so that collecting often takes time
// and frees nothing more.
const sendGC = 400

// sendFlags are the flags of send.
type sendFlags struct {
	raw                 bool
	from, replyTo       string
	to, cc, bcc         []string
	subject, text, html string
	attach              []string
	partial             bool
	notify              []string
	requireTLS          bool
	hello               string
	copyTo, password    string
	quiet               bool
	repeat              int
}

func (a *app) sendCommand() *cobra.Command {
	f := &sendFlags{}
	cmd := &cobra.Command{
		Use:   "send URL [FILE...]",
		Short: "Send a message, or many .eml files",
		Long:  sendHelp,
		Args:  args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(args[1:]); err != nil {
				return err
			}
			debug.SetGCPercent(sendGC)
			// Who reads the results may go away: that must not kill the program
			// while it knows what became of messages.
			signal.Ignore(syscall.SIGPIPE)
			defer signal.Reset(syscall.SIGPIPE)
			return a.send(cmd.Context(), f, args[0], args[1:])
		},
	}
	fl := cmd.Flags()
	fl.BoolVar(&f.raw, "raw", false, "send the messages in these files")
	fl.IntVar(&f.repeat, "repeat", 1, "send each of the files `n` times, to try out a server")
	fl.StringVar(&f.from, "from", "", "the sender's `address`")
	fl.StringArrayVar(&f.to, "to", nil, "a recipient's `address`, or several with commas; may be given again")
	fl.StringArrayVar(&f.cc, "cc", nil, "who gets a copy")
	fl.StringArrayVar(&f.bcc, "bcc", nil, "who gets a copy that the others do not know of")
	fl.StringVar(&f.replyTo, "reply-to", "", "where answers should go")
	fl.StringVar(&f.subject, "subject", "", "the subject")
	fl.StringVar(&f.text, "text", "", "the text; - is standard input")
	fl.StringVar(&f.html, "html", "", "the text as HTML")
	fl.StringArrayVar(&f.attach, "attach", nil, "attach this `file`; may be given again")
	fl.BoolVar(&f.partial, "partial", false, "send to those whom the server takes if it refuses others")
	fl.StringSliceVar(&f.notify, "notify", nil, "ask for reports: `when` is never, or some of success, failure and delay")
	fl.BoolVar(&f.requireTLS, "require-tls", false, "have it travel over verified TLS alone, or be returned")
	fl.StringVar(&f.hello, "hello", "", "our `name` for EHLO")
	fl.StringVar(&f.copyTo, "copy", "", "keep a copy in the account of this `URL`")
	fl.StringVar(&f.password, "copy-password-file", "", "read that account's password from the first line of `file`")
	fl.BoolVar(&f.quiet, "quiet", false, "say nothing unless something goes wrong")
	return cmd
}

// check finds flags that do not go together.
func (f *sendFlags) check(files []string) error {
	switch {
	case f.repeat < 1 || f.repeat > 1 && (!f.raw || slices.Contains(files, "-")):
		return usagef("--repeat %d: want a number from 1 up, and files", f.repeat)
	case f.raw && len(files) == 0:
		return usagef("--raw: name the files to send")
	case f.raw && (f.subject != "" || f.text != "" || f.html != "" || len(f.attach) > 0 || f.replyTo != ""):
		return usagef("--raw sends files as they are: it does not go with --subject, --text, --html, --attach and --reply-to")
	case f.raw && len(f.cc)+len(f.bcc) > 0:
		return usagef("--raw sends to those whom the header names, or to those of --to in their place: it does not go with --cc and --bcc")
	case !f.raw && len(files) > 0:
		return usagef("to send the message in %s give --raw, to attach it --attach", human.Printable(files[0]))
	case !f.raw && f.from == "":
		return usagef("--from: whom is the message from?")
	case !f.raw && len(f.to)+len(f.cc)+len(f.bcc) == 0:
		return usagef("--to: whom is the message to?")
	case f.hello != "" && !hostName.MatchString(f.hello):
		return usagef("--hello %q: want a host name, or an IP address in brackets", f.hello)
	}
	for i, when := range f.notify {
		f.notify[i] = strings.ToUpper(strings.TrimSpace(when))
		if !slices.Contains([]string{"NEVER", "SUCCESS", "FAILURE", "DELAY"}, f.notify[i]) || f.notify[i] == "NEVER" && len(f.notify) > 1 {
			return usagef("--notify %s: want never, or some of success, failure and delay", strings.Join(f.notify, ","))
		}
	}
	return nil
}

// hostName is what our name for EHLO looks like; smtpsink has the last word.
var hostName = regexp.MustCompile(`^([A-Za-z0-9._-]+|\[[^\s\]]+\])$`)

// options are what the flags mean for the sink.
func (f *sendFlags) options() *smtpsink.SendOptions {
	o := &smtpsink.SendOptions{Partial: f.partial, RequireTLS: f.requireTLS}
	if len(f.notify) > 0 {
		o.DSN = &smtpsink.DSN{Notify: f.notify}
	}
	return o
}

// send sends what the flags and files say.
func (a *app) send(ctx context.Context, f *sendFlags, server string, files []string) error {
	var m *compose.Message
	if !f.raw {
		var err error
		if m, err = a.message(f); err != nil {
			return err
		}
	}
	o := a.account()
	o.Password = once(o.Password)
	o.SMTP = smtpsink.Options{Hello: f.hello, Connections: 1}
	r := &sending{app: a, flags: f}
	var sink *smtpsink.Sink
	var err error
	if account.IsAddress(server) {
		acc, err := account.OpenAddress(ctx, server, o)
		if err != nil {
			return err
		}
		defer acc.Close()
		if sink, err = acc.Sender(ctx); err != nil {
			return err
		}
		if f.copyTo == "" && acc.Mailbox.Caps().Append {
			r.mailbox = acc.Mailbox
		}
	} else {
		if sink, err = account.OpenSink(ctx, server, o, o.SMTP); err != nil {
			return err
		}
		defer sink.Close()
	}
	if f.copyTo != "" {
		o := a.account()
		o.Create = true
		o.Connections = 0
		if f.password != "" || a.getenv("POSTROOM_COPY_PASSWORD") != "" {
			o.Password = a.secret("POSTROOM_COPY_PASSWORD", "copy-password-file", f.password)
		}
		if r.mailbox, err = account.Open(ctx, f.copyTo, o); err != nil {
			return fmt.Errorf("--copy: %w", err)
		}
		defer r.mailbox.Close()
	}
	if m != nil {
		return r.one(ctx, sink, m)
	}
	return r.many(ctx, sink, files)
}

// message is the message that the flags describe.
func (a *app) message(f *sendFlags) (*compose.Message, error) {
	m := &compose.Message{Subject: f.subject, Text: f.text, HTML: f.html}
	var err error
	list := func(flag string, values ...string) []mail.Address {
		var all []mail.Address
		for _, v := range values {
			some, bad := compose.ParseAddresses(v)
			if bad != nil && err == nil {
				err = usagef("--%s: %v", flag, bad)
			}
			all = append(all, some...)
		}
		return all
	}
	m.From, m.ReplyTo = list("from", f.from), list("reply-to", f.replyTo)
	m.To, m.Cc, m.Bcc = list("to", f.to...), list("cc", f.cc...), list("bcc", f.bcc...)
	if err == nil && len(m.From) > 1 {
		err = usagef("--from: want one address")
	}
	if err != nil {
		return nil, err
	}
	if f.text == "-" {
		if a.in == nil {
			return nil, errors.New("no standard input")
		}
		text, err := io.ReadAll(io.LimitReader(a.in, maxText+1))
		if err != nil {
			return nil, err
		}
		if len(text) > maxText {
			return nil, errors.New("--text -: standard input has more than 16 MiB: attach it as a file")
		}
		m.Text = string(text)
	}
	for _, name := range f.attach {
		switch st, err := os.Stat(name); {
		case err != nil:
			return nil, fmt.Errorf("--attach: %w", err)
		case st.IsDir():
			return nil, fmt.Errorf("--attach: %s is a directory: name its files, or pack it into one", human.Printable(name))
		}
		dir, base := filepath.Split(filepath.Clean(name))
		if dir == "" {
			dir = "."
		}
		m.Attachments = append(m.Attachments, compose.FileAttachment(os.DirFS(dir), base))
	}
	return m, nil
}
