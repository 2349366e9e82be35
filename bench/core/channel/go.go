// channel of 100 on Go: one goroutine sends, one receives.
package main

func main() {
	measure(func(n int) {
		channel := make(chan int, 100)
		go func() {
			for i := 1; i <= n; i++ {
				channel <- i
			}
			close(channel)
		}()
		sum := 0
		for item := range channel {
			sum += item
		}
		if sum != n*(n+1)/2 {
			panic("wrong sum")
		}
	})
}
