package mailtest

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// FaultKind is a way in which a Host misbehaves.
type FaultKind int

// The kinds. Each strikes at a command; what is said of its reply holds for all
// lines and octets of it.
const (
	// FaultCut ends the connection after N octets of the reply, as a crash
	// does: TLS says nothing. In SMTP's DATA it is N octets of the message. One
	// that has fewer is taken and stored, and the connection ends before the
	// answer, which is lost (RFC 1047).
	FaultCut FaultKind = iota
	// FaultStall says nothing more after N octets of the reply, for as long as
	// the connection lasts. In SMTP's DATA it is N octets of the message, as in
	// FaultCut.
	FaultStall
	// FaultDelay waits for Delay before the reply.
	FaultDelay
	// FaultReply answers with Text instead of doing what was asked: "NO
	// [UNAVAILABLE] later" in IMAP, which puts the tag before it, "-ERR
	// [IN-USE] locked" in POP3, "451 4.7.1 slow down" in SMTP.
	FaultReply
	// FaultBye says that it is the end, with Text as the reason, and hangs up:
	// "* BYE" in IMAP, "-ERR" in POP3, 421 in SMTP.
	FaultBye
	// FaultGarbage sends the line Text ahead of the reply, as it is.
	FaultGarbage
	// FaultEpoch ends the epoch of Folder before the command is done. Not for
	// SMTP and LMTP.
	FaultEpoch
)

// Fault says how and when a Host misbehaves.
type Fault struct {
	// Kind is what it does.
	Kind FaultKind
	// Protocol is "imap", "pop3", "smtp", "lmtp", or "" for all of them.
	Protocol string
	// Command is the command at which it strikes, such as "UID FETCH" or
	// "RETR"; "" is every command. PASS is POP3's login, LOGIN and
	// AUTHENTICATE are IMAP's, AUTH is SMTP's. In SMTP and LMTP, DATA is a
	// message, however it comes, and the answer behind it; the reply that asks
	// for it after the command DATA is "354", and BDAT is the reply to a chunk.
	// LMTP has one DATA for each recipient's answer; a connection that ends or
	// stalls at one of them does so ahead of all.
	Command string
	// Skip is how many such commands go well before it strikes.
	Skip int
	// Times is how often it strikes; 0 is again and again.
	Times int

	// N counts octets, for FaultCut and FaultStall.
	N int64
	// Delay is for FaultDelay.
	Delay time.Duration
	// Text is for FaultReply, FaultBye and FaultGarbage, without CRLF.
	Text string
	// Folder, of the user who is logged in, is for FaultEpoch.
	Folder string
}

// faults are those that a host has.
type faults struct {
	mu  sync.Mutex
	all []*Fault
}

// Inject adds a fault. Where several strike at one command, each does.
func (h *Host) Inject(f Fault) {
	h.faults.mu.Lock()
	defer h.faults.mu.Unlock()
	h.faults.all = append(h.faults.all, &f)
}

// ClearFaults has the host behave again. A connection that stalls goes on
// stalling.
func (h *Host) ClearFaults() {
	h.faults.mu.Lock()
	defer h.faults.mu.Unlock()
	h.faults.all = nil
}

// take gives what strikes at a command now, and counts it.
func (fs *faults) take(protocol, command string) []Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	var now []Fault
	fs.all = slices.DeleteFunc(fs.all, func(f *Fault) bool {
		if f.Protocol != "" && f.Protocol != protocol || f.Command != "" && !strings.EqualFold(f.Command, command) {
			return false
		}
		if f.Skip > 0 {
			f.Skip--
			return false
		}
		now = append(now, *f)
		if f.Times == 0 {
			return false
		}
		f.Times--
		return f.Times == 0
	})
	return now
}
