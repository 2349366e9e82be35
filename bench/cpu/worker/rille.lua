-- worker: messages {id, name, v} to a worker and back, 256 under way; what starting a worker takes; what two workers
-- gain over one. Arguments: messages, millions of steps for each of four pieces of Lua work.
local rille = require "rille"
local worker = require "rille.worker"
local n, millions = tonumber(arg[1]), tonumber(arg[2])

local function echo(there, back)
  for message in there do back:send(message) end
end

local there, back = worker.channel(256), worker.channel(256)
local w = worker.spawn(echo, there, back)
local began = rille.now()
rille.group(function(g)
  g:spawn(function()
    for i = 1, n do there:send { id = i, name = "message", v = i * 0.5 } end
    there:close()
  end)
  for i = 1, n do assert(back:recv().id == i) end
end)
print(("us %.4f"):format((rille.now() - began) / n * 1e6))
w:join()

local function nothing() end
worker.spawn(nothing):join()
began = rille.now()
for _ = 1, 50 do worker.spawn(nothing):join() end
print(("start_us %.2f"):format((rille.now() - began) / 50 * 1e6))

local function spin(steps)
  local sum = 0
  for i = 1, steps do sum = sum + i % 7 end
  return sum
end

local function four(crew)
  local start = rille.now()
  local list = { millions, millions, millions, millions }
  rille.parallel.map(list, function(m) return spin(m * 1000000) end, { workers = crew, chunk = 1 })
  return rille.now() - start
end
print(("gain %.3f"):format(four(1) / four(2)))
