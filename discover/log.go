package discover

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postroom-go/postroom/mailbox"
)

// log is the list of attempts. It is safe for concurrent use.
type log struct {
	began  time.Time
	logger *slog.Logger

	mu       sync.Mutex
	attempts []Attempt
}

func newLog(l *slog.Logger) *log {
	return &log{began: time.Now(), logger: l}
}

// attempt begins an attempt; the function that it returns ends it.
func (q *query) attempt(source, target string) (end func(error)) {
	l, start := q.log, time.Now()
	return func(err error) {
		a := Attempt{Source: source, Target: target, Start: start.Sub(l.began), Took: time.Since(start), Outcome: outcome(err)}
		l.mu.Lock()
		l.attempts = append(l.attempts, a)
		l.mu.Unlock()
		q.facts.note(q.addr.domain, target, err)
		l.logger.LogAttrs(context.Background(), slog.LevelDebug, "discover", slog.String("source", source),
			slog.String("target", target), slog.Duration("took", a.Took), slog.String("outcome", a.Outcome))
	}
}

// list is what was tried so far, in the order of the starts.
func (l *log) list() []Attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Clone(l.attempts)
	slices.SortStableFunc(all, func(a, b Attempt) int { return cmp.Compare(a.Start, b.Start) })
	return all
}

// facts are what failed attempts say about the domain and the network.
type facts struct {
	mu       sync.Mutex
	exists   bool             // DNS has something of the domain
	nullMX   bool             // it says that it takes no mail
	dnsErr   error            // a failure of DNS that is no answer
	timeout  bool             // something did not answer in time
	insecure bool             // servers without TLS were left out
	cert     error            // a mail server's certificate that was refused
	webCerts map[string]error // the same of web servers, by registrable domain
	https    bool             // something was published over HTTPS
	proved   bool             // some HTTPS server proved its name
	answered bool             // a server answered at all
	exchange bool             // an Exchange server wants a login
	list     error            // why the list of providers could not be asked
	policy   error            // an address or a URL that must not be asked
}

func (f *facts) set(change func(f *facts)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// note draws conclusions from the outcome of an attempt.
func (f *facts) note(domain, target string, err error) {
	host := ""
	if u, bad := url.Parse(target); bad == nil && u.Scheme == "https" {
		host = u.Hostname()
	}
	f.set(func(f *facts) {
		answered := err == nil || errors.Is(err, errStatus) || errors.Is(err, errDocument) || errors.Is(err, errLogin)
		if host != "" && under(host, domain) && (answered || errors.Is(err, mailbox.ErrCertificate) || errors.Is(err, mailbox.ErrUnavailable)) {
			f.exists = true // it had an address at least
		}
		switch {
		case errors.Is(err, mailbox.ErrCertificate):
			f.answered = true
			if host == "" {
				f.cert = err
				return
			}
			if f.webCerts == nil {
				f.webCerts = map[string]error{}
			}
			f.webCerts[registrable(host)] = err
		case answered:
			f.answered = f.answered || strings.Contains(target, ":")
			f.proved = f.proved || host != ""
		case errors.Is(err, context.DeadlineExceeded):
			f.timeout = true
		case errors.Is(err, errPrivate), errors.Is(err, errScheme):
			f.policy = err
		}
	})
}
