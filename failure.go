package postroom

import (
	"slices"
	"strings"

	"github.com/postroom-go/postroom/discover"
)

// failure is why none of the servers that were tried can be used. For errors.As the
// error comes first that the user can do most about, in the text they stand in
// their order.
type failure struct {
	tried  []*LoginError // in the order of the attempts
	advice string
}

// telling are the reasons by how much they help: who could not reach one server and
// was refused by another has a wrong password, before all else.
var telling = [...]Reason{WrongSecret, NeedsAppPassword, NeedsOAuth2, NeedsSecret, NeedsSignIn, NeedsUser, SwitchedOff, Throttled,
	BadCertificate, NoTLS, Unconfirmed, Other, Unreachable}

// failed makes one error of those of all servers; looked says that the lookup went
// through the network just now. Errors that are no LoginError do not come here.
func failed(tried []*LoginError, looked bool) error {
	if len(tried) == 1 && tried[0].Reason != Unreachable {
		return tried[0]
	}
	f := &failure{tried: tried}
	if first := f.first(); first.Reason == Unreachable && !first.token() {
		f.advice = adviceDead(tried[0].Server, looked)
	} else {
		f.advice = first.Advice
	}
	return f
}

// first is the error that helps most.
func (f *failure) first() *LoginError {
	return slices.MinFunc(f.tried, func(a, b *LoginError) int {
		return slices.Index(telling[:], a.Reason) - slices.Index(telling[:], b.Reason)
	})
}

// Error names each server with the reason, in the order of the attempts, and then
// what to do.
func (f *failure) Error() string {
	var b strings.Builder
	for i, e := range f.tried {
		if i > 0 {
			b.WriteString("; then ")
		}
		b.WriteString(e.reason())
	}
	b.WriteString(". " + f.advice)
	return b.String()
}

// Unwrap gives the errors, the most telling one first.
func (f *failure) Unwrap() []error {
	all := make([]error, 0, len(f.tried))
	first := f.first()
	all = append(all, first)
	for _, e := range f.tried {
		if e != first {
			all = append(all, e)
		}
	}
	return all
}

// adviceDead is for servers none of which can be reached: whether that is the
// network's fault, the provider's, or that of the settings.
func adviceDead(server discover.Server, looked bool) string {
	advice := "None of the account's servers can be reached"
	if server.Protocol == discover.SMTP {
		advice = "None of the servers that send can be reached"
	}
	if server.Source == "table" {
		return advice + ". Their names are those of a known provider, so that it is the network: check it. Hotspots and firewalls often let the web through, and mail not."
	}
	if !looked {
		return advice + ". Check the network. If it works, the servers are down, or have other names now: try again later, or look the account up anew."
	}
	return advice + ", but the lookup has just worked, so that the network is there. " + whose(server.Source) +
		" Either they are down, or that is out of date, or a firewall lets the web through, and mail not: try again later, or ask the provider for the names of the servers, and enter them by hand."
}

// whose says who has named the servers.
func whose(source string) string {
	switch source {
	case "pacc", "autoconfig", "well-known", "http":
		return "It is the domain itself that publishes these servers."
	case "ispdb":
		return "It is the list of providers that names these servers."
	case "srv", "mx", "autodiscover":
		return "It is the domain's DNS that leads to these servers."
	}
	return "Nobody publishes these servers: they were guessed."
}

// looked reports whether a lookup has asked the network just now, and was answered.
func looked(attempts []discover.Attempt) bool {
	return slices.ContainsFunc(attempts, func(a discover.Attempt) bool {
		return a.Outcome == "found" && a.Source != "table" && a.Source != "cache"
	})
}
