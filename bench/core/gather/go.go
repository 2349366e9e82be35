// gather of 10,000 on Go: goroutines that do not wait; each stores its value.
package main

import "sync"

const width = 10000

func main() {
	measure(func(n int) {
		for i := 0; i < n; i += width {
			var group sync.WaitGroup
			values := make([]int, width)
			group.Add(width)
			for k := range values {
				go func(k int) {
					values[k] = k
					group.Done()
				}(k)
			}
			group.Wait()
			if values[width-1] != width-1 {
				panic("wrong values")
			}
		}
	})
}
