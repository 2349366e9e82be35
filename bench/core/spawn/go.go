// spawn and join on Go: goroutines that yield once, in waves.
package main

import (
	"runtime"
	"sync"
)

func main() {
	wave := argument(2, 1000)
	measure(func(n int) {
		for i := 0; i < n; i += wave {
			var group sync.WaitGroup
			group.Add(wave)
			for k := 0; k < wave; k++ {
				go func() {
					runtime.Gosched()
					group.Done()
				}()
			}
			group.Wait()
		}
	})
}
