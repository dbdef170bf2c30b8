// Package disktest tests code that keeps its data by a disk.Dir.
//
// [Mem] is a directory in memory that knows what is durable. [Mem.Crash] gives
// what a loss of power may leave of it, and [Enumerate] all that it may leave.
// [Hook] calls a function around every operation of any Dir, [FailAt] makes one
// of them fail, and [Record] lists them.
//
// To prove that an order of operations never loses what it promised to keep, do
// it with each of its operations as the last:
//
//	for n := 0; ; n++ {
//		m := disktest.NewMem(512)
//		err := deliver(disktest.FailAt(m, n, disktest.ErrHalted, disktest.Everything))
//		disktest.Enumerate(func(choose func(int) int) {
//			check(m.Crash(choose))
//		})
//		if err == nil {
//			break // there were no more than n operations
//		}
//	}
package disktest
