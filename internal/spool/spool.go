package spool

import (
	"context"
	"io"
	"sync"
)

// DefaultSpoolMemory is what zero Options.Memory means: 256 KiB.
const DefaultSpoolMemory = 256 << 10

// Options are the options of New. Nil and zero are safe.
type Options struct {
	// Memory is how many octets are kept in memory; 0 is DefaultSpoolMemory,
	// negative is none. It is taken as it is needed, 32 KiB at a time.
	Memory int64
	// MaxDisk is how many octets may go to the disk; 0 is no limit. A body that
	// needs more ends in ErrDiskLimit.
	MaxDisk int64
	// Dir is where temporary files are made; empty is os.TempDir().
	Dir string
}

// Spool is one body of unknown size: one goroutine writes it, others read what
// is there already and wait for more. It keeps all of it until Close. Writing
// never waits for a reader. All methods are safe for concurrent use, but there
// is one writer, and each reader belongs to one goroutine.
type Spool struct {
	opts   Options
	create createFile
	main   Reader

	mu       sync.Mutex
	changed  event
	mem      []*chunk
	inMemory int64 // octets in mem; the rest is in file
	size     int64
	file     file
	done     bool  // CloseWithError was called
	end      error // why the body ends early; nil if it does not
	gone     error // why nothing can be read any more
}

// New makes an empty spool. opts may be nil.
func New(opts *Options) *Spool {
	s := &Spool{create: newTempFile}
	if opts != nil {
		s.opts = *opts
	}
	if s.opts.Memory == 0 {
		s.opts.Memory = DefaultSpoolMemory
	}
	s.main.s = s
	return s
}

// Write appends p. It does not fail because of the disk or of the readers, so
// that the connection can always be read to its end: what the disk does not take
// is lost, and readers get the disk's error in its place; what comes after Close
// is discarded. After CloseWithError it is io.ErrClosedPipe.
func (s *Spool) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return 0, io.ErrClosedPipe
	}
	rest := p
	for len(rest) > 0 && s.end == nil && s.gone == nil {
		if room := s.memoryRoom(); room != nil {
			n := copy(room, rest)
			s.inMemory += int64(n)
			s.grow(n)
			rest = rest[n:]
		} else if err := s.writeFile(rest); err != nil {
			s.end = err
		} else {
			s.grow(len(rest))
			rest = nil
		}
	}
	return len(p), nil
}

// ReadFrom appends all of r, through a buffer from the pool. The error is r's.
func (s *Spool) ReadFrom(r io.Reader) (int64, error) {
	buf := getChunk()
	defer putChunk(buf)
	return copyFrom(onlyWriter{s}, r, buf[:])
}

// memoryRoom is where the next octets go, nil if that is the file.
func (s *Spool) memoryRoom() []byte {
	left := s.opts.Memory - s.inMemory
	if left <= 0 || s.file != nil {
		return nil
	}
	used := int(s.inMemory % chunkSize)
	if used == 0 {
		s.mem = append(s.mem, getChunk())
	}
	room := s.mem[len(s.mem)-1][used:]
	return room[:min(int64(len(room)), left)]
}

// writeFile appends p to the file. The lock is free meanwhile.
func (s *Spool) writeFile(p []byte) error {
	f, off := s.file, s.size-s.inMemory
	if s.opts.MaxDisk > 0 && off+int64(len(p)) > s.opts.MaxDisk {
		return ErrDiskLimit
	}
	s.mu.Unlock()
	defer s.mu.Lock()
	if f == nil {
		var err error
		if f, err = s.openFile(); err != nil {
			return err
		}
	}
	return writeAll(f, p, off)
}

// openFile makes the temporary file, and frees it again if the spool was closed
// meanwhile.
func (s *Spool) openFile() (file, error) {
	f, err := s.create(s.opts.Dir)
	if err != nil {
		return nil, diskError(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone != nil {
		_ = f.Close()
		return nil, s.gone
	}
	s.file = f
	return f, nil
}

// grow makes n more octets visible to the readers.
func (s *Spool) grow(n int) {
	if s.gone == nil {
		s.size += int64(n)
		s.changed.broadcast()
	}
}

// CloseWithError says that no more comes: nil if the body is whole, else why it
// is not. Readers get what is there, then io.EOF or err. Only the first call
// counts.
func (s *Spool) CloseWithError(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return
	}
	s.done = true
	if s.end == nil {
		s.end = err
	}
	s.changed.broadcast()
}

// Cancel frees everything and makes every Read, a waiting one at once, fail with
// err; nil is ErrClosed. Only the first call counts. The writer may go on: what
// it writes is discarded.
func (s *Spool) Cancel(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone != nil {
		return
	}
	if err == nil {
		err = ErrClosed
	}
	s.gone = err
	// Chunks are copied from and to under the lock, so nobody is in them.
	for _, c := range s.mem {
		putChunk(c)
	}
	s.mem = nil
	if s.file != nil {
		_ = s.file.Close()
	}
	s.changed.broadcast()
}

// Close frees everything. Reads fail with ErrClosed from then on. It never
// fails and can be called again.
func (s *Spool) Close() error {
	s.Cancel(nil)
	return nil
}

// Err is the reason of Cancel or Close, nil before: nobody wants what is
// written any more.
func (s *Spool) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone
}

// Size is how many octets can be read by now.
func (s *Spool) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}

// Wait waits until no more comes, and gives what readers get instead of io.EOF:
// nil for a whole body. The end of ctx ends the wait with its error.
func (s *Spool) Wait(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.done && s.end == nil && s.gone == nil {
		ch := s.changed.wait()
		s.mu.Unlock()
		select {
		case <-ch:
		case <-ctx.Done():
		}
		s.mu.Lock()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if s.gone != nil {
		return s.gone
	}
	return s.end
}

// Read reads on from where the last Read ended, as the Reader of NewReader does.
func (s *Spool) Read(p []byte) (int, error) { return s.main.Read(p) }

// WriteTo writes what Read has not given yet to w.
func (s *Spool) WriteTo(w io.Writer) (int64, error) { return s.main.WriteTo(w) }

// NewReader gives a reader that begins at the beginning, independent of all
// others, whether the body is whole yet or not. It needs no closing.
func (s *Spool) NewReader() *Reader { return &Reader{s: s} }

// Reader reads a Spool. It belongs to one goroutine.
type Reader struct {
	s   *Spool
	pos int64
}

// Read gives what is there, and waits only if that is nothing. The body ends in
// io.EOF, or in the reason why it is not whole; after Cancel and Close it fails
// at once.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for r.pos == s.size && !s.done && s.end == nil && s.gone == nil {
		ch := s.changed.wait()
		s.mu.Unlock()
		<-ch
		s.mu.Lock()
	}
	switch {
	case s.gone != nil:
		return 0, s.gone
	case r.pos < s.size:
		n, err := s.readAt(p, r.pos)
		r.pos += int64(n)
		return n, err
	case s.end != nil:
		return 0, s.end
	}
	return 0, io.EOF
}

// readAt copies out what is there at off. The lock is free while the disk works.
func (s *Spool) readAt(p []byte, off int64) (int, error) {
	if off < s.inMemory {
		at := off % chunkSize
		end := min(chunkSize, at+s.inMemory-off)
		return copy(p, s.mem[off/chunkSize][at:end]), nil
	}
	f, at := s.file, off-s.inMemory
	p = p[:min(int64(len(p)), s.size-off)]
	s.mu.Unlock()
	n, err := readSome(f, p, at)
	s.mu.Lock()
	if err != nil && s.gone != nil {
		err = s.gone
	}
	return n, err
}

// WriteTo writes the rest to w, through a buffer from the pool.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	buf := getChunk()
	defer putChunk(buf)
	return copyFrom(w, onlyReader{r}, buf[:])
}

// onlyWriter and onlyReader hide ReadFrom and WriteTo.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)
