package imapwire

import (
	"errors"
	"io"
	"strconv"
)

// Command is a command of ours, as against the engine's. Its methods belong to
// one goroutine.
type Command struct {
	c    *Conn
	name string
	tag  string
	// parts are its octets; before all but the first the server must ask for
	// more, since what came before ended with a literal's marker.
	parts [][]byte
	shown []string // the same for the trace
	ahead bool

	expect, rows int
	open         bool // Next has given out the response that is open

	// Under Conn.mu.
	continued int // requests to go on
	status    *Status
}

// errMidst is the error for writing between the halves of a command.
var errMidst = errors.New("imapwire: another command is half written")

// Start queues a command: its name in upper case, such as "UID FETCH", and its
// arguments. What is queued is written in one piece by Flush, by Next or Wait
// of any command of the queue, or in front of the engine's next command. A bad
// argument is an error before any octet is written.
//
// Any command will do whose answers are tagged, or named after it, or those of
// FETCH, LIST, SEARCH, SELECT. For a SELECT or EXAMINE the untagged OKs are
// responses, too, with Response.Status.
func (c *Conn) Start(name string, args ...Arg) (*Command, error) {
	return c.start(name, args, false)
}

// Ahead is Start for a command whose answers nobody reads, such as ID: they are
// skipped, NO and BAD included. It costs no round trip.
func (c *Conn) Ahead(name string, args ...Arg) error {
	_, err := c.start(name, args, true)
	return err
}

func (c *Conn) start(name string, args []Arg, ahead bool) (*Command, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, c.err
	}
	cmd := &Command{c: c, name: name, ahead: ahead, tag: "P" + strconv.Itoa(c.tags+1)}
	if err := cmd.encode(args, c.literal); err != nil {
		return nil, err
	}
	c.tags++
	c.queue = append(c.queue, cmd)
	return cmd, nil
}

// Expect says how many responses the command should get; more than that and
// Limits.Untagged break the connection. It returns cmd.
func (cmd *Command) Expect(n int) *Command {
	cmd.expect = n
	return cmd
}

func (cmd *Command) count() error {
	cmd.rows++
	if cmd.rows > cmd.expect+cmd.c.opts.Limits.Untagged {
		return tooLarge("%d responses to one command", cmd.rows)
	}
	return nil
}

// Flush writes the commands that are queued, in one piece. It waits where a
// literal must be asked for by the server; then no other command may be
// outstanding.
func (c *Conn) Flush() error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	for {
		out, last, err := c.takeQueue(nil, true)
		if err != nil || len(out) == 0 {
			return err
		}
		if err := c.write(out); err != nil {
			return err
		}
		if err := c.finish(last); err != nil {
			return err
		}
	}
}

// takeQueue appends what is queued to out and notes it as outstanding, as far as
// the first command that has to wait for the server: if wait is set that is
// the last one, else it stays queued. wmu is held.
func (c *Conn) takeQueue(out []byte, wait bool) (_ []byte, last *Command, err error) {
	between := c.sent.between() // it takes mu
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return nil, nil, c.err
	case len(c.queue) == 0:
		return out, nil, nil
	case !between:
		return nil, nil, errMidst
	}
	n := 0
	for _, cmd := range c.queue {
		if len(cmd.parts) > 1 && (n > 0 || !wait) {
			break
		}
		if len(cmd.parts) > 1 && c.awaited() {
			return nil, nil, errMidst
		}
		n++
		out = append(out, cmd.parts[0]...)
		c.pending = append(c.pending, &pending{tag: cmd.tag, raw: cmd, after: c.rd.got.Load()})
		c.traceSent(cmd.shown[0])
		if last = cmd; len(cmd.parts) > 1 {
			break
		}
	}
	c.queue = append(c.queue[:0:0], c.queue[n:]...)
	return out, last, nil
}

// awaited reports whether somebody waits for an answer: he would lose what came
// while a command is being written. mu is held.
func (c *Conn) awaited() bool {
	for _, p := range c.pending {
		if p.eng != nil || !p.raw.ahead {
			return true
		}
	}
	return false
}

// finish writes the rest of a command, part by part as the server asks for
// them. If it refuses, that is the command's answer.
func (c *Conn) finish(cmd *Command) error {
	for i := 1; i < len(cmd.parts); i++ {
		if more, err := c.await(cmd, i); !more {
			return err
		}
		c.traceSent(cmd.shown[i])
		if err := c.write(cmd.parts[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *Conn) write(p []byte) error {
	if _, err := c.nc.Write(p); err != nil {
		return c.fail(err)
	}
	return nil
}

// await reads until the server has asked n times to go on with a command; more
// is false if it will not, or on an error.
func (c *Conn) await(cmd *Command, n int) (more bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case cmd.continued >= n:
			return true, nil
		case cmd.status != nil:
			return false, nil
		case c.err != nil:
			return false, c.err
		default:
			c.advance()
		}
	}
}

// advance goes one step on for a command that waits: it reads, or skips what is
// in the way, or waits for another reader. mu is held, and let go meanwhile.
func (c *Conn) advance() {
	switch {
	case c.reading:
		c.turn.Wait()
	case c.owner != nil:
		c.skipOwner()
	default:
		c.reading = true
		c.mu.Unlock()
		c.readOne()
		c.mu.Lock()
	}
}

// Next gives the next untagged response to the command, good until the next
// call. After the last one it is io.EOF, or the *Status that is the server's NO
// or BAD. What was not read of the last response is skipped, and so is what is
// left of commands that were started before.
func (cmd *Command) Next() (*Response, error) {
	c := cmd.c
	if err := c.flushIfQueued(cmd); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.owner == cmd && !cmd.open && !c.reading && c.err == nil:
			cmd.open = true
			return &c.resp, nil
		case cmd.status != nil && cmd.status.Kind == "OK":
			return nil, io.EOF
		case cmd.status != nil:
			return nil, cmd.status
		case c.err != nil:
			return nil, c.err
		default:
			if c.owner == cmd {
				cmd.open = false
			}
			c.advance()
		}
	}
}

func (c *Conn) flushIfQueued(cmd *Command) error {
	c.mu.Lock()
	queued := false
	for _, q := range c.queue {
		queued = queued || q == cmd
	}
	c.mu.Unlock()
	if !queued {
		return nil
	}
	return c.Flush()
}

// Wait skips what is left of the command's responses and gives its tagged
// answer. If that is a NO or BAD it is the error, too.
func (cmd *Command) Wait() (*Status, error) {
	for {
		if _, err := cmd.Next(); err == io.EOF {
			return cmd.status, nil
		} else if err != nil {
			return cmd.status, err
		}
	}
}
