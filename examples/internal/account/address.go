package account

import (
	"context"
	"strings"

	"github.com/postroom-go/postroom"
	"github.com/postroom-go/postroom/discover"
	"github.com/postroom-go/postroom/mailbox/access"
)

// AddressHelp says that an address will do.
const AddressHelp = `A plain address such as alice@example.com will do as well: its servers are looked up,
as by "postroom discover".`

// IsAddress reports whether an account is named by its address.
func IsAddress(s string) bool {
	return strings.Contains(s, "@") && !strings.Contains(s, ":")
}

// OpenAddress finds the servers of an address and opens the account.
func OpenAddress(ctx context.Context, address string, o *Options) (*postroom.Account, error) {
	n, err := o.net(access.TLSImplicit)
	if err != nil {
		return nil, err
	}
	opts := &postroom.Options{Net: n, Discover: o.Discover, Confirm: o.Confirm, SMTP: o.SMTP}
	opts.IMAP.Connections = o.Connections
	domain := address[strings.LastIndexByte(address, '@')+1:]
	password, err := o.Password(address, domain)
	if err != nil {
		return nil, err
	}
	return postroom.Open(ctx, address, access.Password("", password, nil), opts)
}

// Lookup finds the servers of an address, and logs in to none.
func Lookup(ctx context.Context, address string, o *Options) (*discover.Result, error) {
	n, err := o.net(access.TLSImplicit)
	if err != nil {
		return nil, err
	}
	d := o.Discover
	if d.Dialer == nil {
		d.Dialer = n.Dialer
	}
	if d.TLSConfig == nil {
		d.TLSConfig = n.TLSConfig
	}
	return discover.Lookup(ctx, address, &d)
}
