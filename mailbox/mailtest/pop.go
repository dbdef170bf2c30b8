package mailtest

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postroom-go/postroom/internal/memstore"
)

// POP3Flavour says what a POP3 server lacks. Zero lacks nothing: CAPA, STLS,
// USER, SASL PLAIN, UIDL, TOP, PIPELINING, RESP-CODES, AUTH-RESP-CODE and
// EXPIRE NEVER.
type POP3Flavour struct {
	// NoUIDL, NoTOP and NoPipelining take the command or capability away.
	// Without PIPELINING, what a client sends ahead of a reply is an error and
	// ends the connection.
	NoUIDL, NoTOP, NoPipelining bool
	// NoCAPA takes CAPA and SASL away; the rest is there, but not advertised.
	NoCAPA bool
	// LoginDelay is advertised as LOGIN-DELAY, in whole seconds, if not 0. It
	// is not enforced.
	LoginDelay time.Duration
}

// lockGrace is how long a login waits for a lock: a client that has just hung
// up may come back before its old connection is seen to be gone.
const lockGrace = 200 * time.Millisecond

// maildrops are the locks of POP3 (RFC 1939 section 3).
type maildrops struct {
	mu    sync.Mutex
	users map[string]chan struct{} // full while locked
}

func (d *maildrops) lock(user string) bool {
	d.mu.Lock()
	if d.users == nil {
		d.users = map[string]chan struct{}{}
	}
	ch := d.users[user]
	if ch == nil {
		ch = make(chan struct{}, 1)
		d.users[user] = ch
	}
	d.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), lockGrace)
	defer cancel()
	select {
	case ch <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (d *maildrops) unlock(user string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	<-d.users[user]
}

// popSession is one client's POP3 session (RFC 1939, RFC 2449).
type popSession struct {
	*front
	user    string
	mail    *memstore.User
	folder  *memstore.Folder
	snap    memstore.Snapshot
	deleted map[int]bool
	over    bool
}

// servePOP serves the connections of ln.
func (h *Host) servePOP(ln net.Listener, implicit bool) {
	h.accept(ln, "pop3", implicit, func(f *front) {
		s := &popSession{front: f, deleted: map[int]bool{}}
		defer func() {
			if s.folder != nil {
				h.drops.unlock(s.mail.Name())
			}
			_ = f.Close()
			h.untrack(f)
		}()
		s.ok("mailtest ready")
		for !s.over {
			if h.opts.POP3.NoPipelining && f.br.Buffered() > 0 {
				s.err("this server knows no pipelining")
				return
			}
			line, err := f.readLine()
			if err != nil {
				return
			}
			s.command(string(bytes.TrimRight(line, "\r\n")))
		}
	})
}

func (s *popSession) ok(text string)  { s.writeString("+OK " + text + "\r\n") }
func (s *popSession) err(text string) { s.writeString("-ERR " + text + "\r\n") }

// popCommands say in which state each command is good.
var popCommands = map[string]struct {
	loggedIn, either bool
	do               func(s *popSession, args string)
}{
	"CAPA": {either: true, do: (*popSession).capa},
	"QUIT": {either: true, do: (*popSession).quit},
	"STLS": {do: (*popSession).stls},
	"USER": {do: (*popSession).userCmd},
	"PASS": {do: (*popSession).pass},
	"AUTH": {do: (*popSession).auth},
	"STAT": {loggedIn: true, do: (*popSession).stat},
	"LIST": {loggedIn: true, do: (*popSession).list},
	"UIDL": {loggedIn: true, do: (*popSession).uidl},
	"RETR": {loggedIn: true, do: (*popSession).retr},
	"TOP":  {loggedIn: true, do: (*popSession).top},
	"DELE": {loggedIn: true, do: (*popSession).dele},
	"RSET": {loggedIn: true, do: (*popSession).rset},
	"NOOP": {loggedIn: true, do: func(s *popSession, _ string) { s.ok("nothing done") }},
}

func (s *popSession) command(line string) {
	name, args, _ := strings.Cut(line, " ")
	name = strings.ToUpper(name)
	v := s.begin(name, s.flip)
	cmd, known := popCommands[name]
	switch {
	case v.ended:
		s.err(v.bye)
		s.over = true
	case v.reply != "":
		s.writeString(v.reply + "\r\n")
	case !known || s.lacks(name):
		s.err("unknown command")
	case !cmd.either && cmd.loggedIn != (s.folder != nil):
		s.err("not in this state")
	default:
		cmd.do(s, args)
	}
}

// lacks reports whether this flavour does not know a command.
func (s *popSession) lacks(name string) bool {
	o := &s.host.opts.POP3
	return name == "CAPA" && o.NoCAPA || name == "AUTH" && o.NoCAPA || name == "UIDL" && o.NoUIDL || name == "TOP" && o.NoTOP
}

// flip ends the epoch of a folder; the session goes on with what it knows.
func (s *popSession) flip(folder string) {
	if s.mail != nil {
		_ = s.mail.NewEpoch(folder)
	}
}

func (s *popSession) capa(string) {
	o := &s.host.opts.POP3
	caps := []string{"RESP-CODES", "AUTH-RESP-CODE", "EXPIRE NEVER", "IMPLEMENTATION mailtest"}
	if s.mayLogin() {
		caps = append(caps, "USER", "SASL PLAIN")
	}
	if !s.encrypted() {
		caps = append(caps, "STLS")
	}
	if !o.NoUIDL {
		caps = append(caps, "UIDL")
	}
	if !o.NoTOP {
		caps = append(caps, "TOP")
	}
	if !o.NoPipelining {
		caps = append(caps, "PIPELINING")
	}
	if o.LoginDelay > 0 {
		caps = append(caps, fmt.Sprintf("LOGIN-DELAY %d", int(o.LoginDelay.Seconds())))
	}
	s.ok("capabilities")
	s.writeString(strings.Join(caps, "\r\n") + "\r\n.\r\n")
}

func (s *popSession) mayLogin() bool { return s.host.opts.Plaintext || s.encrypted() }

func (s *popSession) stls(string) {
	if s.encrypted() {
		s.err("TLS is on")
		return
	}
	s.ok("begin TLS now")
	if s.secure() != nil {
		s.over = true
	}
}

func (s *popSession) userCmd(args string) {
	if !s.mayLogin() {
		s.err("TLS is required")
		return
	}
	s.user = args
	s.ok("go on")
}

func (s *popSession) pass(args string) {
	if s.user == "" {
		s.err("USER first")
		return
	}
	s.login(s.user, args)
}

// auth is SASL (RFC 5034). It knows PLAIN.
func (s *popSession) auth(args string) {
	mech, ir, has := strings.Cut(args, " ")
	switch {
	case !s.mayLogin():
		s.err("TLS is required")
		return
	case !strings.EqualFold(mech, "PLAIN"):
		s.err("unknown mechanism")
		return
	case !has:
		s.writeString("+ \r\n")
		line, err := s.readLine()
		if err != nil {
			s.over = true
			return
		}
		ir = string(bytes.TrimRight(line, "\r\n"))
	}
	raw, err := base64.StdEncoding.DecodeString(ir)
	f := strings.Split(string(raw), "\x00")
	if err != nil || len(f) != 3 || f[0] != "" && f[0] != f[1] {
		s.err("[AUTH] malformed")
		return
	}
	s.login(f[1], f[2])
}

func (s *popSession) login(user, password string) {
	u, err := s.host.store.Login(user, password)
	if err != nil {
		s.err("[AUTH] wrong user or password")
		return
	}
	inbox, err := u.Folder(memstore.Inbox)
	if err != nil {
		s.err("[SYS/PERM] no maildrop")
		return
	}
	if !s.host.drops.lock(u.Name()) {
		s.err("[IN-USE] the maildrop is locked by another session")
		return
	}
	s.mail, s.folder, s.snap = u, inbox, inbox.Snapshot()
	s.ok(strconv.Itoa(len(s.snap.Messages)) + " messages")
}

// quit removes what was marked, if the session got that far.
func (s *popSession) quit(string) {
	s.over = true
	var uids []uint32
	for i := range s.deleted {
		uids = append(uids, s.snap.Messages[i].UID)
	}
	if len(uids) > 0 {
		if err := s.folder.Remove(s.snap.Epoch, uids); err != nil {
			s.err("[SYS/TEMP] messages not removed")
			return
		}
	}
	s.ok("bye")
}
