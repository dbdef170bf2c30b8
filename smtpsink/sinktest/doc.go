// Package sinktest proves a sender: it runs the rules of [smtpsink.Sender], each as
// a named case, against whatever implements it, be it SMTP, JMAP's submission, a
// provider's API or a sendmail program.
//
// A sender's conformance test starts a server that takes the mail, and tells the
// suite what has arrived there:
//
//	func TestConformance(t *testing.T) {
//		sinktest.Run(t, sinktest.Config{
//			New: func(t testing.TB) *sinktest.Harness {
//				server := startServer(t)              // fresh, ended by t.Cleanup
//				sender, err := Dial(t.Context(), server.Addr, access.Password("ann", "canary-5ecret", nil), nil)
//				if err != nil {
//					t.Fatal(err)
//				}
//				return &sinktest.Harness{
//					Sender:          sender,
//					From:            "ann@example.org",
//					Recipients:      server.Mailboxes(100), // their addresses
//					Delivered:       server.Delivered,
//					Settle:          server.Shutdown,
//					RefuseRecipient: server.RefuseRecipient,
//					LoseAnswer:      server.LoseAnswer,
//					Secrets:         []string{"canary-5ecret"},
//				}
//			},
//			Without: map[string]string{
//				"RefuseMessage": "the server takes everything",
//				"CutMessage":    "requests are not streamed",
//				"StallMessage":  "requests are not streamed",
//				"StallAnswer":   "the server cannot wait",
//			},
//		})
//	}
//
// Run it with -race. One case alone is a subtest: go test -run
// 'TestConformance/refused/partial'.
//
// # What every case checks
//
// At the end of a case the sender is closed, the server settles, and what it took
// is compared with what the case expects: each message once, octet by octet, for
// exactly those recipients, and nothing else.
//
// # What is not run is said
//
// The functions of a Harness that may be nil let the suite make the server refuse,
// stall and break. One that is nil has its reason in Config.Without, and what a
// sender is known to get wrong stands in Config.Known; when such a case passes,
// that is an error. A summary, logged at the end, lists each case that did not
// run, and why.
package sinktest
