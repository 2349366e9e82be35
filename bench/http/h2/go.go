// h2 on Go: a server that says one sentence over HTTP/2 and TLS. Prints its port and serves until killed.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

func main() {
	build := os.Getenv("BUILD")
	if build == "" {
		build = "build"
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, "Hello, World!")
	})
	panic(http.ServeTLS(listener, handler, build+"/bench/tls.crt", build+"/bench/tls.key"))
}
