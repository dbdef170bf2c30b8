package disk_test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/postroom-go/postroom/internal/disk"
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
