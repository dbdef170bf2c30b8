package disk_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/postroom-go/postroom/internal/disk"
)

// deliveries is how many files a benchmark delivers at a time. What it reports is
// for one of them.
const deliveries = 10000

// benchmarkDelivery delivers messages to a new maildir, again and again. With
// TMPDIR on a tmpfs it measures what the processor does.
func benchmarkDelivery(b *testing.B, begin func(path string) (deliver func(name string, body []byte) error, end func() error)) {
	body := bytes.Repeat([]byte("0123456789abcde\n"), 6<<10/16)
	names := make([]string, deliveries)
	for i := range names {
		names[i] = fmt.Sprintf("1700000000.M%08dP1.host", i)
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		path, err := os.MkdirTemp(b.TempDir(), "")
		if err != nil {
			b.Fatal(err)
		}
		for _, dir := range []string{"tmp", "cur"} {
			if err := os.Mkdir(filepath.Join(path, dir), 0o700); err != nil {
				b.Fatal(err)
			}
		}
		deliver, end := begin(path)
		b.StartTimer()
		for _, name := range names {
			if err := deliver(name, body); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		if err := end(); err != nil {
			b.Fatal(err)
		}
		if err := os.RemoveAll(path); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/deliveries, "ns/file")
}

func BenchmarkDelivery(b *testing.B) {
	at := time.Unix(1700000000, 0)
	for name, open := range openers() {
		b.Run(name, func(b *testing.B) {
			benchmarkDelivery(b, func(path string) (func(string, []byte) error, func() error) {
				d, err := open(path)
				if err != nil {
					b.Fatal(err)
				}
				return func(name string, body []byte) error { return deliver(d, name, body, at) }, d.Close
			})
		})
	}
	b.Run("package os", func(b *testing.B) {
		benchmarkDelivery(b, func(path string) (func(string, []byte) error, func() error) {
			tmp, cur := filepath.Join(path, "tmp")+"/", filepath.Join(path, "cur")+"/"
			return func(name string, body []byte) error {
				f, err := os.OpenFile(tmp+name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
				if err != nil {
					return err
				}
				if _, err := f.Write(body); err != nil {
					return err
				}
				if err := f.Close(); err != nil {
					return err
				}
				if err := os.Chtimes(tmp+name, time.Time{}, at); err != nil {
					return err
				}
				return os.Rename(tmp+name, cur+name)
			}, func() error { return nil }
		})
	})
}

func deliver(d disk.Dir, name string, body []byte, at time.Time) error {
	f, err := d.Create("tmp/" + name)
	if err != nil {
		return err
	}
	if _, err := f.Write(body); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := d.SetTime("tmp/"+name, at); err != nil {
		return err
	}
	return d.Move("tmp/"+name, "cur/"+name)
}

// BenchmarkReadDir lists 100,000 files.
func BenchmarkReadDir(b *testing.B) {
	path := b.TempDir()
	for i := range 100000 {
		f, err := os.Create(filepath.Join(path, fmt.Sprintf("1700000000.M%08dP1.host,S=6144:2,S", i)))
		if err != nil {
			b.Fatal(err)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
	for name, open := range openers() {
		d, err := open(path)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				entries, err := d.ReadDir(".")
				if err != nil || len(entries) != 100000 {
					b.Fatal(len(entries), err)
				}
			}
		})
		if err := d.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSyncFiles waits for as many files as are delivered at a time. With
// TMPDIR on a disk it measures that.
func BenchmarkSyncFiles(b *testing.B) {
	at := time.Unix(1700000000, 0)
	body := bytes.Repeat([]byte("0123456789abcde\n"), 6<<10/16)
	for _, count := range []int{1, 4, 8, 16, 64, 1000} {
		for name, open := range openers() {
			b.Run(fmt.Sprintf("%s/%d", name, count), func(b *testing.B) {
				d, err := open(b.TempDir())
				if err != nil {
					b.Fatal(err)
				}
				for _, dir := range []string{"tmp", "cur"} {
					if err := d.Mkdir(dir); err != nil {
						b.Fatal(err)
					}
				}
				round := 0
				for b.Loop() {
					round++
					names := make([]string, count)
					for i := range names {
						name := fmt.Sprintf("%d-%d", round, i)
						if err := deliver(d, name, body, at); err != nil {
							b.Fatal(err)
						}
						names[i] = "cur/" + name
					}
					if err := d.SyncFiles(names); err != nil {
						b.Fatal(err)
					}
				}
				if err := d.Close(); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
