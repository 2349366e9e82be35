-- The server of this work: the floor of hello, which costs little.
assert(require("peers").compile("bench/http/hello/c.c"))
