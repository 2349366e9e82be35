-- A read of a line waited again when a piece without an end had come. If a cancellation came after that piece had woken
-- the task and before it ran, there was no wait to abort, and the second wait began without a look: it lasted until the
-- next byte. A server with a thousand slow clients, each with a deadline, lost some for ever.
local rille = require "rille"
local net = require "rille.net"

local function pair()
  local l <close> = net.listen("127.0.0.1", 0)
  local client, server
  rille.gather(function() client = net.connect(l:address()) end, function() server = l:accept() end)
  return client, server
end

-- Cancels a task that does f(stream) in the tick in which bytes have woken it; the task that cancels is woken first.
local function cancelled_when_woken(f)
  local first, canceller = pair()
  local second, stream = pair()
  local ended
  rille.group(function(g)
    local task = g:async(f, stream)
    g:spawn(function()
      canceller:read(1)
      task:cancel()
    end)
    rille.sleep(0.01)
    first:write "x"
    second:write "y"
    ended = rille.move_on_after(1, pcall, task.await, task)
    second:close()
    stream:close()
  end)
  first:close()
  canceller:close()
  return ended
end

describe("a cancellation that finds a task ready", function()
  it("ends a read that has to wait for more", function()
    assert.is_true(cancelled_when_woken(function(stream) stream:read "l" end))
    assert.is_true(cancelled_when_woken(function(stream) stream:read(100) end))
    assert.is_true(cancelled_when_woken(function(stream) stream:read "a" end))
  end)
end)
