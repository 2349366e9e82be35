// Times work on Go, with one processor for goroutines: processor time, or the wall's where that is less.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// An argument of the program, or `otherwise`.
func argument(index int, otherwise int) int {
	if index >= len(os.Args) {
		return otherwise
	}
	n, err := strconv.Atoi(os.Args[index])
	if err != nil {
		return otherwise
	}
	return n
}

func used() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// Nanoseconds of work().
func elapsed(work func()) float64 {
	cpu, wall := used(), time.Now()
	work()
	took, spent := time.Since(wall), used()-cpu
	if took < spent {
		spent = took
	}
	return float64(spent.Nanoseconds())
}

// Prints "ns N" for each of the operations that the first argument of the program counts.
func measure(work func(n int)) {
	runtime.GOMAXPROCS(1)
	n := argument(1, 1)
	fmt.Printf("ns %.2f\n", elapsed(func() { work(n) })/float64(n))
}
