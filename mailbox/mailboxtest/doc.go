// Package mailboxtest proves a mailbox driver: it runs the rules of package
// mailbox, each as a named case, against whatever implements
// [mailbox.Mailbox].
//
// A driver's conformance test starts a store, and tells the suite how to reach
// into it from outside:
//
//	func TestConformance(t *testing.T) {
//		mailboxtest.Run(t, mailboxtest.Config{
//			New: func(t testing.TB) *mailboxtest.Instance {
//				host := startServer(t)                         // fresh, empty, ended by t.Cleanup
//				open := func() (mailbox.Mailbox, error) {
//					return Dial(t.Context(), host.Addr, access.Password("alice", "canary-5ecret", nil), nil)
//				}
//				box, err := open()
//				if err != nil {
//					t.Fatal(err)
//				}
//				return &mailboxtest.Instance{
//					Box:          box,
//					Reopen:       open,
//					Deliver:      host.Deliver,
//					CreateFolder: host.CreateFolder,
//					NewEpoch:     host.NewEpoch,
//					Interrupt:    host.CutConnections,
//					Secrets:      []string{"canary-5ecret"},
//				}
//			},
//			Caps: mailbox.Caps{
//				Folders: true, StableIDs: true, Envelopes: true, Structure: true, Parts: true,
//				Headers: true, Received: true, Flags: true, Keywords: true, Delete: true,
//				Append: true, AppendID: true,
//			},
//		})
//	}
//
// Run it with -race. One case alone is a subtest: go test -run
// 'TestConformance/delete/exact'.
//
// # What is not run is said
//
// A capability that is set runs the cases that use it; one that is clear runs
// those that demand [errors.ErrUnsupported] and an unchanged store. Since a
// driver that claims nothing would pass everything, Config.Caps says what it
// must claim. What a store cannot do for the suite stands in Config.Without
// with its reason, and what a driver is known to get wrong in Config.Known;
// when such a case passes, that is an error. A summary, logged at the end,
// lists each case that did not run, and why.
//
// # A live account
//
// [Check] is the part of the suite that changes nothing. It needs no store,
// only an open mailbox, and returns what is wrong as one error.
package mailboxtest
