// lock on Go: 1,000 goroutines contend, with a yield inside.
package main

import (
	"runtime"
	"sync"
)

func main() {
	measure(func(n int) {
		var lock sync.Mutex
		var group sync.WaitGroup
		group.Add(1000)
		for i := 0; i < 1000; i++ {
			go func() {
				for k := 0; k < n/1000; k++ {
					lock.Lock()
					runtime.Gosched()
					lock.Unlock()
				}
				group.Done()
			}()
		}
		group.Wait()
	})
}
