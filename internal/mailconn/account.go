package mailconn

import (
	"net"
	"net/url"
	"strings"

	"github.com/postroom-go/postroom/mailbox/access"
)

// Account names an account as "scheme://user@host": whose mail it is, which is
// whom a acts as if that is somebody else, at the host of addr. The user is
// percent-encoded where needed, and left out if there is none. There is no port,
// since an account has several, and no secret.
func Account(scheme, addr string, a access.Auth) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	u := url.URL{Scheme: scheme, Host: strings.ToLower(host)}
	user := a.User()
	if as := a.Options().Identity; as != "" {
		user = as
	}
	if user != "" {
		u.User = url.User(user)
	}
	return u.String()
}
