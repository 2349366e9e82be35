// switch on Go: 100 goroutines that yield.
package main

import (
	"runtime"
	"sync"
)

func main() {
	measure(func(n int) {
		var group sync.WaitGroup
		group.Add(100)
		for i := 0; i < 100; i++ {
			go func() {
				for k := 0; k < n/100; k++ {
					runtime.Gosched()
				}
				group.Done()
			}()
		}
		group.Wait()
	})
}
