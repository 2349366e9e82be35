// sleepers on Go: so many goroutines asleep at once.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

func resident() float64 {
	var size, pages float64
	file, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	fmt.Sscan(string(file), &size, &pages)
	return pages * 4096
}

func main() {
	runtime.GOMAXPROCS(1)
	n := argument(1, 1)
	nap := 500*time.Millisecond + time.Duration(n)*5*time.Microsecond
	var group sync.WaitGroup
	group.Add(n)
	before, began := resident(), used()
	for i := 0; i < n; i++ {
		go func() {
			time.Sleep(nap)
			group.Done()
		}()
	}
	runtime.Gosched()
	each := func(took time.Duration) float64 { return float64(took.Nanoseconds()) / float64(n) }
	fmt.Printf("bytes %.1f create_ns %.2f\n", (resident()-before)/float64(n), each(used()-began))
	began = used()
	group.Wait()
	fmt.Printf("wake_ns %.2f\n", each(used()-began))
}
