// client on Go: GETs of "Hello, World!" on kept connections, 64 at once. Argument: requests.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func cpu() float64 {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e3
}

func requests(client *http.Client, url string, count int64) {
	var done sync.WaitGroup
	for i := 0; i < 64; i++ {
		done.Add(1)
		go func() {
			defer done.Done()
			for atomic.AddInt64(&count, -1) >= 0 {
				answer, err := client.Get(url)
				if err != nil {
					panic(err)
				}
				_, _ = io.ReadAll(answer.Body)
				answer.Body.Close()
			}
		}()
	}
	done.Wait()
}

func main() {
	n, _ := strconv.ParseInt(os.Args[1], 10, 64)
	build := os.Getenv("BUILD")
	if build == "" {
		build = "build"
	}
	server := exec.Command(build + "/bench/http_hello_c")
	out, err := server.StdoutPipe()
	if err != nil || server.Start() != nil {
		panic("no server")
	}
	defer func() { _ = server.Process.Kill() }()
	port, _ := bufio.NewReader(out).ReadString('\n')
	url := "http://127.0.0.1:" + strings.TrimSpace(port) + "/"
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	requests(client, url, n/10)
	began, before := time.Now(), cpu()
	requests(client, url, n)
	fmt.Printf("per_s %.1f cpu_us %.4f\n", float64(n)/time.Since(began).Seconds(), (cpu()-before)/float64(n))
}
