package popsrc

import (
	"strconv"
	"strings"
	"time"
)

// capabilities are what CAPA told (RFC 2449): the arguments by name, in upper
// case. Nil means that the server does not know CAPA.
type capabilities map[string][]string

func (c capabilities) add(line []byte) {
	f := strings.Fields(strings.ToUpper(string(line)))
	if len(f) > 0 {
		c[f[0]] = f[1:]
	}
}

func (c capabilities) has(name string) bool {
	_, ok := c[name]
	return ok
}

// userAllowed reports whether USER may be tried. Servers are to announce it,
// and many do not; one that announces mechanisms instead means it.
func (c capabilities) userAllowed() bool {
	return c.has("USER") || !c.has("SASL")
}

// loginDelay is the least time between logins (RFC 2449 section 6.5).
func (c capabilities) loginDelay() time.Duration {
	args := c["LOGIN-DELAY"]
	if len(args) == 0 {
		return 0
	}
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 0 || n > 1<<20 {
		return 0
	}
	return time.Duration(n) * time.Second
}
