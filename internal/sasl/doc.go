// Package sasl chooses how to log in, and speaks the mechanisms (RFC 4422):
// SCRAM-SHA-256 and SCRAM-SHA-1 (RFC 5802, RFC 7677), PLAIN (RFC 4616), LOGIN,
// CRAM-MD5 (RFC 2195), OAUTHBEARER (RFC 7628) and XOAUTH2.
//
// What it promises: no mechanism is used without TLS unless the user chose to
// have none; a token is never sent as a password; a server cannot make us do
// unbounded work; and no secret is in any error.
package sasl
