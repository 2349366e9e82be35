--- rille.stderr: standard error as a stream.
--- @type rille.Stream
return require("rille.native.stdio").open(2)
