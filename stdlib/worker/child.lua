-- The other end of a worker that is a process: connects to its parent, and runs what comes.
local rille = require "rille"
local net = require "rille.net"
local boot = require "rille.worker.boot"
local frames = require "rille.worker.frames"

local UNREAD = 64

local function take(calls, inbox, kind, ...)
  if kind == "post" then
    calls.queue:send(table.pack(...))
  elseif kind == "send" then
    inbox:send((...))
  elseif kind == "calls_end" then
    calls.queue:close()
  elseif kind == "send_end" then
    inbox:close()
  end
end

-- The parent is gone when the connection ends: nothing is left to do.
local function listen(conn, calls, inbox)
  while true do
    local message = frames.read(conn)
    if not message then os.exit(1) end
    take(calls, inbox, table.unpack(message, 1, message.n))
  end
end

local function on_error(err) return { err, debug.traceback(tostring(err), 2) } end

return function(path)
  local conn = net.connect { path = path }
  local lock = rille.lock()
  local function write(...)
    lock:with(conn.write, conn, frames.pack(-2, ...))
  end
  local function answer(number, ...) write("answer", number, ...) end
  local calls = { queue = rille.channel(math.huge) }
  function calls:recv()
    local request = self.queue:recv()
    if request then return table.unpack(request, 1, request.n) end
  end
  local inbox = rille.channel(UNREAD)
  local outbox = { send = function(_, value) write("send", value) end }
  local first = frames.read(conn)
  if not first then os.exit(1) end
  rille.detach(listen, conn, calls, inbox)
  local ended = table.pack(xpcall(boot, on_error, calls, inbox, outbox, answer, table.unpack(first, 2, first.n)))
  if ended[1] then
    write("end", "ok", table.unpack(ended, 2, ended.n))
  else
    local err = type(ended[2]) == "table" and ended[2] or { ended[2], tostring(ended[2]) }
    if not pcall(write, "end", "failed", err[1], err[2]) then write("end", "failed", tostring(err[1]), err[2]) end
  end
  conn:shutdown()
end
