package outbox

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/smtpsink"
)

// TestSinkWaits: a Sink ends no message before the journal has it, wherever its
// blocks end and however it is handed over.
func TestSinkWaits(t *testing.T) {
	t.Parallel()
	for _, flavour := range []mailtest.SMTPFlavour{mailtest.SMTPExtended, mailtest.SMTPPipelining, mailtest.SMTPBare} {
		h, sink := hostOf(t, flavour, secret)
		arrived := 0
		for _, size := range []int{700, 32 << 10, 64<<10 - 1, 64 << 10, 64<<10 + 1, 96 << 10, 128 << 10, 200_000} {
			for name, opts := range map[string]smtpsink.SendOptions{"whole": {}, "partial": {Partial: true}, "binary": {Binary: sink.Caps().Binary}} {
				t.Run(fmt.Sprint(flavour, size, name), func(t *testing.T) {
					count := func() int {
						all, err := h.Messages("bob@example.com", mailbox.Inbox)
						require.NoError(t, err)
						return len(all)
					}
					broken := false
					files := disktest.Hook(disktest.NewMem(4096), func(op disktest.Op) error {
						if broken && op.Changes && strings.HasPrefix(op.Name, journalName) {
							return syscall.EIO
						}
						return nil
					})
					box := openMem(t, files, nil)
					message := note(1) + strings.Repeat("0123456789\r\n", size/12)
					message = message[:size-2] + "\r\n"
					_, err := box.Enqueue(t.Context(), to("bob@example.com", "eve@example.net"), strings.NewReader(message), &EnqueueOptions{Send: opts})
					require.NoError(t, err)
					broken = true
					require.ErrorIs(t, runOnce(t.Context(), box, sink, nil), syscall.EIO)
					assert.Equal(t, arrived, count())
					require.Error(t, box.Close())

					broken = false
					box = openMem(t, files, nil)
					assert.Equal(t, Queued, entries(t, box)[0].State)
					once(t, box, sink, nil)
					assert.Empty(t, entries(t, box))
					arrived++
					assert.Equal(t, arrived, count(), "control: it is sent when the journal takes it")
					require.NoError(t, box.Close())
				})
			}
		}
	}
}
