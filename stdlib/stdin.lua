--- rille.stdin: standard input as a stream.
--- @type rille.Stream
return require("rille.native.stdio").open(0)
