package disk_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/stretchr/testify/require"
)

// role tells a process of this test binary what to do instead of tests, and
// where: "lock:" and a directory, say.
const role = "POSTROOM_TEST_ROLE"

func TestMain(m *testing.M) {
	what, dir, ok := strings.Cut(os.Getenv(role), ":")
	if !ok {
		os.Exit(m.Run())
	}
	err := roles()[what](dir)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// helper is a process that has a role. It ends with the test at the latest.
func helper(t *testing.T, what, dir string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), role+"="+what+":"+dir)
	return cmd
}

// hold holds the lock until the process is killed, or has no parent any more.
func hold(dir string) error {
	d, err := disk.Open(dir)
	if err != nil {
		return err
	}
	f, err := d.OpenRW("lock")
	if err != nil {
		return err
	}
	if err := f.Lock(); err != nil {
		return err
	}
	fmt.Println("locked")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func startHolder(t *testing.T, dir string) (*exec.Cmd, io.Reader) {
	cmd := helper(t, "lock", dir)
	_, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	return cmd, out
}

// stopper is asked in a loop.
type stopper struct{ is atomic.Bool }

func (s *stopper) stop()         { s.is.Store(true) }
func (s *stopper) stopped() bool { return s.is.Load() }
