// Package mailconn is the connection under the network drivers: it dials, does
// TLS and STARTTLS, obeys contexts, and gives every wait a deadline that
// progress renews. It knows no mail protocol.
//
// A driver's exchange looks like this:
//
//	release := conn.Bind(ctx)    // from now on the end of ctx cuts the connection
//	err := exchange(conn)        // writes commands, reads replies
//	if err != nil {
//		err = conn.Fail(err)     // broken for good; the reason, as a sentinel
//	}
//	if cut := release(); cut != nil {
//		err = cut                // the exchange was cut: nothing it said counts
//	}
//
// A connection that broke is never reused: every later Read and Write returns
// the first reason.
package mailconn
