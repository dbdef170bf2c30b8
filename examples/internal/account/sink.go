package account

import (
	"context"
	"net/url"

	"github.com/postroom-go/postroom/smtpsink"
)

// SinkHelp says what the URL of a server that sends mail looks like.
const SinkHelp = `A server that sends mail is a URL:

  smtps://alice@smtp.example.com        SMTP, TLS from the start (port 465)
  smtp://alice@smtp.example.com         SMTP, STARTTLS required (port 587)

Without a user name nobody is logged in, as for a relay on one's own network.`

// OpenSink connects to the server that rawURL names. An error that is ErrUsage is
// the caller's to mend.
func OpenSink(ctx context.Context, rawURL string, o *Options, opts smtpsink.Options) (*smtpsink.Sink, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, usagef("the server is not a URL such as smtps://alice@smtp.example.com")
	}
	s, ok := schemes[u.Scheme]
	if !ok || s.protocol != "smtp" {
		return nil, usagef("unknown kind of server %q: want smtps or smtp, as in smtps://alice@smtp.example.com", u.Scheme)
	}
	addr, auth, netOptions, err := o.server(u, s)
	if err != nil {
		return nil, err
	}
	opts.Net = netOptions
	return smtpsink.Dial(ctx, addr, auth, &opts)
}
