package imapsrc

import (
	"github.com/postroom-go/postroom/internal/imapwire"
	"github.com/postroom-go/postroom/mailbox/access"
)

// Options are the options of Dial. Nil and zero are safe: TLS from the first
// octet, verified, and at most two connections.
type Options struct {
	// Net is what the network drivers have in common: TLS, dialer, log, trace
	// and timeouts.
	Net access.Options
	// Connections is the most connections that are open at a time; 0 is 2. The
	// second is made only when it is of use: when two calls are under way, or
	// for a Fetch that is large or takes long. A server that refuses it is left
	// with one.
	Connections int
	// ID is what we tell the server about this program after login, by its ID
	// command (RFC 2971), where it is offered; keys are "name", "version",
	// "vendor" and the like. Some servers open no folder without it. Nil tells
	// the name postroom; an empty map tells nothing.
	ID map[string]string

	limits imapwire.Limits // zero, but in tests that switch a guard off
	test   testHooks
}

// testHooks switch single guards off, so that tests can show that the guard is
// what stops an attack. They are zero outside tests.
type testHooks struct {
	noInjectionCheck bool // trust what follows the answer to STARTTLS
	trustPlainCaps   bool // keep capabilities from before TLS
	anyAuth          bool // ignore LOGINDISABLED, PREAUTH and missing TLS
	noRefetch        bool // do not ask again for what is missing
	noEpochCheck     bool // use IDs of any epoch
	noDegrade        bool // an unreadable message ends the list
}

const defaultConnections = 2

func (o *Options) connections() int {
	if o.Connections > 0 {
		return o.Connections
	}
	return defaultConnections
}

func (o *Options) id() map[string]string {
	if o.ID == nil {
		return map[string]string{"name": "postroom"}
	}
	return o.ID
}
