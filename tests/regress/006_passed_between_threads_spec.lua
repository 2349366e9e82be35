-- An item passes from a task to one of another thread as soon as the second comes; the first hears of it by a post. A cancel
-- that came in between ended the send with CANCELLED, although its item had been received: a wait that has completed before
-- the cancel returns its value, also if that was on another thread.
local rille = require "rille"
local worker = require "rille.worker"

-- Cancels a task that waits in c[how] once the worker has done its part, without a look at what other threads have posted.
local function cancelled_too_late(how, peer)
  local c, flags = worker.channel(), worker.buffer(8)
  local task = rille.async(function()
    return rille.catch_cancel(c[how], c, how == "send" and "item" or nil)
  end)()
  rille.yield()
  local w <close> = worker.spawn(peer, c, flags)
  while flags:load(1) == 0 do end
  task:cancel()
  local outcome = table.pack(rille.catch_cancel(task.await, task))
  outcome.joined = w:join()
  return outcome
end

describe("a cancel between an item's passing to another thread and the news of it", function()
  it("leaves a send what it is: sent", function()
    local outcome = cancelled_too_late("send", function(c, flags)
      local item = c:recv()
      flags:store(1, 1)
      return item
    end)
    assert.equal("item", outcome.joined)
    assert.same({ true, true }, { outcome[1], outcome[2] })
  end)

  it("leaves a receive its item", function()
    local outcome = cancelled_too_late("recv", function(c, flags)
      c:send "item"
      flags:store(1, 1)
    end)
    assert.same({ true, true, "item" }, { outcome[1], outcome[2], outcome[3] })
  end)
end)
