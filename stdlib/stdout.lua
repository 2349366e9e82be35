--- rille.stdout: standard output as a stream.
--- @type rille.Stream
return require("rille.native.stdio").open(1)
