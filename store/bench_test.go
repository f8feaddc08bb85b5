package store

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"textback"
)

// BenchmarkDecide is a whole decision, made durable, with so many callers at once.
func BenchmarkDecide(b *testing.B) {
	for _, at := range []int{2, 10, 100, 1000} {
		b.Run(fmt.Sprint("callers=", at), func(b *testing.B) {
			s := open(b, Options{})
			var n atomic.Int64
			b.SetParallelism(max(at/runtime.GOMAXPROCS(0), 1))
			b.ResetTimer()
			used := processorTime(b)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := n.Add(1)
					num, at := fmt.Sprintf("+1%010d", i*7919), t0.Add(time.Duration(i)*time.Second)
					if _, _, err := s.Decide(b.Context(), missed(fmt.Sprint("hq/", i), num, at), keys(num), at, window(num, at)); err != nil {
						b.Fatal(err)
					}
				}
			})
			// What the processor did is the figure to lower: it is true on a busy machine, too.
			b.ReportMetric(float64(processorTime(b)-used)/float64(time.Microsecond)/float64(b.N), "cpu-us/op")
			st, _ := s.Stats(b.Context())
			b.ReportMetric(float64(st.Writes)/float64(max(st.Commits, 1)), "ops/commit")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
		})
	}
}

// processorTime is what the process has used of the processors.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkHistory is what the guards ask before each decision, of a caller who is known.
func BenchmarkHistory(b *testing.B) {
	s := open(b, Options{})
	for i := range 1000 {
		num := fmt.Sprintf("+1202555%04d", i)
		decide(b, s, fmt.Sprint("hq/", i), num, t0)
	}
	b.ResetTimer()
	for range b.N {
		history(b, s, alice, t0)
	}
}

func BenchmarkEncode(b *testing.B) {
	v := textback.Verdict{Call: missed("hq/1763953.17", alice, t0), At: t0, Decision: window(alice, t0)(textback.History{})}
	b.ReportAllocs()
	var r []byte
	for range b.N {
		var err error
		if r, err = encode(r[:0], &v); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(r)), "bytes")
}
