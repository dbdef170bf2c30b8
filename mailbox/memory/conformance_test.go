package memory_test

import (
	"testing"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/mailboxtest"
	"github.com/postroom-go/postroom/mailbox/memory"
)

// flavours are the reference driver with everything, and with each capability
// off in turn.
func flavours() map[string]mailbox.Caps {
	all := map[string]mailbox.Caps{"all": memory.AllCaps(), "none": {Protocol: "memory"}}
	for name, off := range map[string]func(c *mailbox.Caps){
		"folders":    func(c *mailbox.Caps) { c.Folders = false },
		"stable_ids": func(c *mailbox.Caps) { c.StableIDs, c.Delete = false, false },
		"envelopes":  func(c *mailbox.Caps) { c.Envelopes = false },
		"structure":  func(c *mailbox.Caps) { c.Structure = false },
		"parts":      func(c *mailbox.Caps) { c.Parts = false },
		"headers":    func(c *mailbox.Caps) { c.Headers = false },
		"received":   func(c *mailbox.Caps) { c.Received = false },
		"flags":      func(c *mailbox.Caps) { c.Flags, c.Keywords = false, false },
		"keywords":   func(c *mailbox.Caps) { c.Keywords = false },
		"delete":     func(c *mailbox.Caps) { c.Delete = false },
		"append":     func(c *mailbox.Caps) { c.Append, c.AppendID = false, false },
		"append_id":  func(c *mailbox.Caps) { c.AppendID = false },
	} {
		caps := memory.AllCaps()
		off(&caps)
		all["no "+name] = caps
	}
	limited := memory.AllCaps()
	limited.AppendLimit = 8 << 20
	all["append_limit"] = limited
	return all
}

func TestConformance(t *testing.T) {
	for name, caps := range flavours() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(caps)
			if name != "all" && name != "none" {
				// One capability less does not change what is large.
				cfg.LargeSize = 256 << 10
			}
			mailboxtest.Run(t, cfg)
		})
	}
}

func config(caps mailbox.Caps) mailboxtest.Config {
	return mailboxtest.Config{
		Caps: caps,
		New: func(testing.TB) *mailboxtest.Instance {
			store := memory.NewStore()
			open := func() mailbox.Mailbox { return memory.New(&memory.Options{Store: store, Caps: &caps}) }
			return &mailboxtest.Instance{
				Box:          open(),
				Reopen:       func() (mailbox.Mailbox, error) { return open(), nil },
				Deliver:      func(folder string, raw []byte) error { return store.Deliver(folder, raw, nil) },
				NewEpoch:     store.NewEpoch,
				CreateFolder: func(name string) error { return store.CreateFolder(name, "") },
			}
		},
	}
}

func BenchmarkMailbox(b *testing.B) { mailboxtest.RunBenchmarks(b, config(memory.AllCaps())) }
