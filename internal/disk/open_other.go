//go:build !linux

package disk

func open(path string) (Dir, error) { return openRoot(path) }
