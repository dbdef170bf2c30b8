package disk_test

import "github.com/postroom-go/postroom/internal/disk"

func openers() map[string]func(string) (disk.Dir, error) {
	return map[string]func(string) (disk.Dir, error){
		"system": disk.Open, "portable": disk.OpenPortable, "old": disk.OpenOld, "oldest": disk.OpenOldest,
	}
}

func roles() map[string]func(dir string) error {
	return map[string]func(dir string) error{"lock": hold, "full": fillDisk}
}
