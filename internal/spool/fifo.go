package spool

import "sync"

// segment is a piece of a fifo: a chunk of memory, or a temporary file.
type segment struct {
	next *segment
	mem  *chunk // nil for a file
	file file
	r, w int64 // read and written up to here
}

// full reports whether nothing more can ever be written to s.
func (s *segment) full() bool { return s.mem != nil && s.w == chunkSize }

// put stores p at s.w and gives how much of it fitted. It does not move s.w.
func (s *segment) put(p []byte) (int, error) {
	if s.mem != nil {
		return copy(s.mem[s.w:], p), nil
	}
	return len(p), writeAll(s.file, p, s.w)
}

// fifo is a stream of octets on its way from a producer to a consumer, in
// segments. Its owner's mutex guards it. Octets are copied in and out with that
// mutex free: the producer alone works behind the tail's w, the consumer between
// the head's r and w.
type fifo struct {
	head, tail *segment
	rpos, wpos int64 // octets read and written since the beginning
	mem        int64 // octets of memory held
	disk       int64 // octets of disk held
	readers    int   // how many are copying out
	writing    bool  // somebody is copying in
}

// room is the free part of the tail's chunk, nil if there is none.
func (f *fifo) room() []byte {
	if f.tail == nil || f.tail.mem == nil || f.tail.full() {
		return nil
	}
	return f.tail.mem[f.tail.w:]
}

// onDisk reports whether the next octets go to a file because the last ones did.
func (f *fifo) onDisk() bool { return f.tail != nil && f.tail.file != nil }

func (f *fifo) addChunk() {
	f.mem += chunkSize
	f.add(&segment{mem: getChunk()})
}

func (f *fifo) addFile(t file) { f.add(&segment{file: t}) }

func (f *fifo) add(s *segment) {
	if f.tail == nil {
		f.head = s
	} else {
		f.tail.next = s
	}
	f.tail = s
	f.trim()
}

// wrote makes n octets that were put into the tail visible.
func (f *fifo) wrote(n int) {
	f.tail.w += int64(n)
	f.wpos += int64(n)
	if f.tail.file != nil {
		f.disk += int64(n)
	}
}

// look has get copy out of the first n octets of the head, with mu free.
func (f *fifo) look(mu *sync.Mutex, n int64, get func(s *segment, from, n int64) (int, error)) (int, error) {
	s, from := f.head, f.head.r
	f.readers++
	mu.Unlock()
	defer func() {
		mu.Lock()
		f.readers--
	}()
	return get(s, from, n)
}

// skip takes n octets off the front.
func (f *fifo) skip(n int64) {
	f.rpos += n
	for n > 0 {
		k := min(n, f.head.w-f.head.r)
		f.head.r += k
		n -= k
		f.trim()
	}
}

// trim frees what stands at the front and is used up. A tail that is not full
// stays: somebody may be writing into it.
func (f *fifo) trim() {
	for s := f.head; s != nil && s.r == s.w && (s.full() || s != f.tail); s = f.head {
		f.head = s.next
		if f.head == nil {
			f.tail = nil
		}
		f.free(s, f.readers == 0)
	}
}

// free gives back what s holds. reuse says that nobody is copying in or out.
func (f *fifo) free(s *segment, reuse bool) {
	if s.file != nil {
		f.disk -= s.w
		_ = s.file.Close()
		return
	}
	f.mem -= chunkSize
	if reuse {
		putChunk(s.mem)
	}
}

// drop frees everything, at any time.
func (f *fifo) drop() {
	reuse := f.readers == 0 && !f.writing
	for s := f.head; s != nil; s = s.next {
		f.free(s, reuse)
	}
	f.head, f.tail = nil, nil
	f.rpos = f.wpos
}
