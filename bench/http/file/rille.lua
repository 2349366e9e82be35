-- file: a server of files in a directory. Prints its port and serves until killed.
local http = require "rille.http"
local net = require "rille.net"

local listener = net.listen("127.0.0.1", 0)
print(listener:address().port)
io.stdout:flush()
http.serve { listener = listener, handler = http.static((os.getenv "BUILD" or "build") .. "/bench/www") }
