package postfix_test

import (
	"fmt"
	"testing"

	"github.com/postroom-go/postroom/internal/postfix"
)

// TestRefusedChunk: the octets of a BDAT whose recipients were all refused are
// taken and thrown away, as RFC 3030 section 2 says, however much they look like
// commands. That is what makes it safe to send BDAT in the same flight as RCPT,
// before it is known whether anybody gets the message.
func TestRefusedChunk(t *testing.T) {
	s := postfix.Get(t)
	user := s.NewUser(t)
	const evil = "RSET\r\nQUIT\r\n"
	refused := "MAIL FROM:<" + user + ">\r\nRCPT TO:<nobody@" + s.Domain + ">\r\n"
	chunk := func(last string) string { return fmt.Sprintf("BDAT %d%s\r\n%s", len(evil), last, evil) }

	t.Run("one chunk", func(t *testing.T) {
		c := converse(t, s, user)
		// MAIL behind it shows that the transaction is over with the last chunk.
		c.says(refused+chunk(" LAST")+"MAIL FROM:<"+user+">\r\nRSET\r\n", "250 ", "550 5.1.1 ", "554 5.5.1 ", "250 2.1.0 ", "250 2.0.0 ")
	})
	t.Run("two chunks", func(t *testing.T) {
		c := converse(t, s, user)
		c.says(refused+chunk("")+chunk(" LAST")+"NOOP\r\n", "250 ", "550 5.1.1 ", "554 5.5.1 ", "551 5.0.0 ", "250 2.0.0 ")
	})
	t.Run("without an end", func(t *testing.T) {
		// A sequence of chunks that is not at its end keeps the next message
		// out, until RSET.
		c := converse(t, s, user)
		c.says(refused+chunk("")+"MAIL FROM:<>\r\nRSET\r\nMAIL FROM:<>\r\n", "250 ", "550 5.1.1 ", "554 5.5.1 ", "503 5.5.1 ", "250 2.0.0 ", "250 2.1.0 ")
	})
	t.Run("refused sender", func(t *testing.T) {
		c := converse(t, s, user)
		c.says("MAIL FROM:<"+user+"> SIZE=999999999\r\nRCPT TO:<"+user+">\r\n"+chunk(" LAST")+"NOOP\r\n", "552 5.3.4 ", "503 5.5.1 ", "503 5.5.1 ", "250 2.0.0 ")
	})
	t.Run("no transaction", func(t *testing.T) {
		c := converse(t, s, user)
		c.says("BDAT 3\r\nX\r\nRSET\r\nNOOP\r\n", "503 5.5.1 ", "250 2.0.0 ", "250 2.0.0 ")
	})
	t.Run("control", func(t *testing.T) {
		c := converse(t, s, user)
		c.says(refused+"BDAT 0 LAST\r\n"+evil, "250 ", "550 5.1.1 ", "554 5.5.1 ", "250 2.0.0 ", "221 ")
		c.ends()
	})
}

// TestRefusedData: nobody asks for a message that has no recipients. Those who
// send it nevertheless have it taken for commands: unlike BDAT, DATA has to wait.
func TestRefusedData(t *testing.T) {
	s := postfix.Get(t)
	user := s.NewUser(t)
	c := converse(t, s, user)
	c.says("MAIL FROM:<"+user+">\r\nRCPT TO:<nobody@"+s.Domain+">\r\nDATA\r\n", "250 ", "550 5.1.1 ", "554 5.5.1 ")
	c.says("QUIT\r\n", "221 ")
	c.ends()
}
