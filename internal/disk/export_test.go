package disk

// OpenPortable is Open on os.Root alone.
func OpenPortable(path string) (Dir, error) { return openRoot(path) }
