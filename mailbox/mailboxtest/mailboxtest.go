package mailboxtest

import (
	"testing"
	"time"

	"github.com/postroom-go/postroom/mailbox"
)

// Config tells the suite about one driver, or one flavour of it.
type Config struct {
	// New makes a fresh account whose INBOX is empty, and opens it. It is
	// called once for each case, may fail t, and cleans up through t.Cleanup;
	// mailboxes are closed by the suite. New is required.
	New func(t testing.TB) *Instance

	// Caps is what Mailbox.Caps must say. Protocol, AppendLimit, Connections
	// and LoginDelay are compared only where they are not zero here.
	Caps mailbox.Caps

	// Without says why a field of Instance is nil: the field's name, then the
	// reason ("NewEpoch": "POP3 has no epochs"). The cases that need it do not
	// run. No reason is needed for a CreateFolder where Caps.Folders is clear,
	// nor for an Interrupt where Caps.Connections is 0.
	Without map[string]string

	// Known are the cases that are known to fail, with the reason. One that
	// passes, and one that there is not, is an error.
	Known map[string]string

	// Timeout is the most time for one case; 0 is 30 seconds.
	Timeout time.Duration

	// LargeSize is the size of the large message in octets, with which all that
	// is long or many grows; 0 is 3 MiB, which a driver must pass. It is for
	// further flavours of a driver that has: with 256 KiB they take a fraction
	// of the time.
	LargeSize int

	// stock is made by the first case, and shared by all.
	stock *stock
}

// Instance is one account with the ways to reach its store from outside.
type Instance struct {
	// Box is the open mailbox. It is required.
	Box mailbox.Mailbox

	// Reopen opens another session of the same account. Where Caps.Exclusive
	// is set the suite has closed all others before; else they stay open. It
	// is required.
	Reopen func() (mailbox.Mailbox, error)

	// Deliver puts a message at the end of a folder, as another program or a
	// mail server would: without flags, octet by octet where the store can. A
	// session that is opened later sees it; so does one that is open, unless
	// Caps.Exclusive is set. It is called from one goroutine. It is required.
	Deliver func(folder string, raw []byte) error

	// NewEpoch makes all IDs of a folder stale and keeps its messages, as when
	// an IMAP server changes UIDVALIDITY. Open sessions need not see it.
	NewEpoch func(folder string) error

	// Interrupt cuts the live connections of the account, without a goodbye;
	// new ones are accepted at once.
	Interrupt func()

	// CreateFolder makes a folder.
	CreateFolder func(name string) error

	// Secrets are the passwords and tokens that the session uses. None may be
	// in any error.
	Secrets []string
}

// Run runs every case as a subtest of its own, named group/case, each on a
// fresh Instance, and logs at the end which did not run and why.
func Run(t *testing.T, cfg Config) {
	t.Helper()
	for _, problem := range cfg.problems(allCases()) {
		t.Error("mailboxtest: " + problem)
	}
	if t.Failed() {
		return
	}
	sum := &summary{}
	for _, c := range allCases() {
		if reason := cfg.notApplicable(c); reason != "" {
			sum.skip(c, reason)
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Helper()
			sum.add(c, cfg.judge(t, c))
		})
	}
	t.Log(sum)
}
