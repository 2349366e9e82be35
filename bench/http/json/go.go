// json on Go: decodes a note, checks it, and answers with another. Prints its port and serves until killed.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
)

type note struct {
	Id   int      `json:"id"`
	Text string   `json:"text"`
	Tags []string `json:"tags"`
	Done bool     `json:"done"`
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	last := 0
	http.HandleFunc("/notes", func(w http.ResponseWriter, r *http.Request) {
		var n note
		if r.Method != "POST" || json.NewDecoder(r.Body).Decode(&n) != nil || len(n.Tags) == 0 {
			w.WriteHeader(422)
			return
		}
		last = last%900 + 100
		n.Id = last
		body, _ := json.Marshal(n)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(201)
		_, _ = w.Write(body)
	})
	panic(http.Serve(listener, nil))
}
