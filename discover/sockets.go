package discover

import (
	"net"
	"sync"

	"github.com/postroom-go/postroom/mailbox"
)

// sockets are the connections of one lookup. Net/http dials and closes in
// goroutines of its own, and mailconn gives up on dials that take their time; so a
// lookup can wait until all are gone.
type sockets struct {
	mu    sync.Mutex
	conns map[*socket]bool
	busy  int // dials, and connections that are open
	over  bool
	idle  chan struct{} // closed when over and not busy
}

// socket is one of the connections.
type socket struct {
	net.Conn
	all  *sockets
	once sync.Once
}

func newSockets() *sockets {
	return &sockets{conns: map[*socket]bool{}, idle: make(chan struct{})}
}

// dial makes a connection by f, unless all is over.
func (s *sockets) dial(f func() (net.Conn, error)) (net.Conn, error) {
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return nil, mailbox.ErrClosed
	}
	s.busy++
	s.mu.Unlock()
	nc, err := f()
	if err != nil {
		s.done(nil)
		return nil, err
	}
	c := &socket{Conn: nc, all: s}
	s.mu.Lock()
	s.conns[c] = true
	over := s.over
	s.mu.Unlock()
	if over {
		_ = c.Close()
	}
	return c, nil
}

// Close closes the connection, once.
func (c *socket) Close() (err error) {
	c.once.Do(func() {
		err = c.Conn.Close()
		c.all.done(c)
	})
	return err
}

func (s *sockets) done(c *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if s.busy--; s.busy == 0 && s.over {
		close(s.idle)
	}
}

// end closes what is open and waits for what is being dialled, whose contexts
// have ended.
func (s *sockets) end() {
	s.mu.Lock()
	s.over = true
	left := make([]*socket, 0, len(s.conns))
	for c := range s.conns {
		left = append(left, c)
	}
	busy := s.busy > 0
	s.mu.Unlock()
	for _, c := range left {
		_ = c.Close()
	}
	if busy {
		<-s.idle
	}
}
