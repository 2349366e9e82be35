// timers on Go: goroutines that sleep five times for 1 to 100 ms.
package main

import (
	"fmt"
	"math/rand"
	"runtime"
	"sync"
	"time"
)

func main() {
	runtime.GOMAXPROCS(1)
	n := argument(1, 1)
	began := used()
	var group sync.WaitGroup
	group.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			for k := 0; k < 5; k++ {
				time.Sleep(time.Duration(1+rand.Intn(100)) * time.Millisecond)
			}
			group.Done()
		}()
	}
	group.Wait()
	fmt.Printf("ns %.2f\n", float64((used()-began).Nanoseconds())/float64(n)/5)
}
