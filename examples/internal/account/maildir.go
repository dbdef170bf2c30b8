package account

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/maildir"
)

const maildirScheme = "maildir"

// IsMaildir reports whether a URL names a directory, which needs no password.
func IsMaildir(rawURL string) bool {
	scheme, _, ok := strings.Cut(rawURL, ":")
	return ok && strings.EqualFold(scheme, maildirScheme)
}

func (o *Options) openMaildir(u *url.URL) (mailbox.Mailbox, error) {
	if o.Plaintext {
		return nil, usagef("--plaintext goes with imap:// and pop://")
	}
	dir, opts, err := parseMaildir(u)
	if err != nil {
		return nil, err
	}
	opts.MustExist = !o.Create
	mb, err := opened(maildir.Open(dir, opts))
	if errors.Is(err, mailbox.ErrNotFound) {
		err = fmt.Errorf("no Maildir at %s: %w", dir, err)
	}
	return mb, err
}

// parseMaildir gives the directory that a URL names, and how mail lies in it.
func parseMaildir(u *url.URL) (dir string, opts *maildir.Options, err error) {
	dir = u.Path
	if u.Opaque != "" {
		if dir, err = url.PathUnescape(u.Opaque); err != nil {
			return "", nil, usagef("the directory in the URL has a %% that begins no octet such as %%20: write it %%25")
		}
	}
	switch {
	case u.User != nil:
		return "", nil, usagef("a Maildir has no user: want maildir:///var/mail/alice; write @ in a directory's name as %%40")
	case u.Host == "." || u.Host == "..":
		dir = u.Host + dir
	case u.Host != "":
		return "", nil, usagef("a Maildir has no host: want maildir:///%[1]s for a directory at the root, or maildir:%[1]s for one below the working directory",
			strings.TrimPrefix(u.Host+u.Path, "/"))
	case u.Fragment != "":
		return "", nil, usagef("write # in a directory's name as %%23")
	}
	if dir == "" {
		return "", nil, usagef("the URL names no directory: want maildir:///var/mail/alice or maildir:Mail")
	}
	if strings.ContainsRune(dir, 0) {
		return "", nil, usagef("a directory's name has no NUL")
	}
	if runtime.GOOS == "windows" && len(dir) > 2 && dir[0] == '/' && dir[2] == ':' {
		dir = dir[1:] // /C:/Mail
	}
	opts, err = maildirOptions(u)
	return filepath.FromSlash(dir), opts, err
}

// maildirOptions reads what stands behind the question mark.
func maildirOptions(u *url.URL) (*maildir.Options, error) {
	opts := &maildir.Options{}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, usagef("what stands behind ? in the URL is no option: want ?layout=plain or ?lf=1")
	}
	for key, values := range query {
		value := values[len(values)-1]
		switch {
		case key == "layout" && value == "plain":
			opts.Layout = maildir.Plain
		case key == "layout" && value == "maildir":
			opts.Layout = maildir.MaildirPP
		case key == "lf" && (value == "0" || value == "1"):
			opts.LF = value == "1"
		default:
			return nil, usagef("unknown option %s=%s: want layout=plain, layout=maildir, lf=1 or lf=0; write ? in a directory's name as %%3F", key, value)
		}
	}
	return opts, nil
}
