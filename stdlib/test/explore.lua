-- --explore=N: each test runs under N seeded orders of equally ready tasks; the first seed that fails is told.
local test = require "rille.test"

local explore = {}

-- Runs `once` while what busted publishes is kept. Returns its results, the events, and whether it failed or is pending.
local function listen(busted, once)
  local publish, events, ended = busted.publish, {}, nil
  function busted.publish(...)
    local event = table.pack(...)
    local channel = event[1]
    if channel[1] == "failure" or channel[1] == "error" then
      ended = "failed"
    elseif channel[2] == "end" and event[4] == "pending" then
      ended = ended or "pending"
    end
    events[#events + 1] = event
  end
  local restore <close> = setmetatable({}, { __close = function() busted.publish = publish end })
  return table.pack(once()), events, ended
end

--- Runs a test under the seeds 1 to `count`, until one fails. `failed(seed)` is told of it.
--- @async
function explore.run(busted, count, once, failed)
  for seed = 1, count do
    test.seed(seed)
    local results, events, ended = listen(busted, once)
    if ended or seed == count then
      test.seed(0)
      for _, event in ipairs(events) do
        busted.publish(table.unpack(event, 1, event.n))
      end
      if ended == "failed" then
        failed(seed)
      end
      return table.unpack(results, 1, results.n)
    end
  end
end

return explore
