-- channel of 100: one task sends, one receives. Argument: items.
local rille = require "rille"
local n = tonumber(arg[1])
local channel = rille.channel(100)

local began = os.clock()
local sum = 0
rille.group(function(g)
  g:spawn(function()
    for i = 1, n do channel:send(i) end
    channel:close()
  end)
  for item in channel do sum = sum + item end
end)
assert(sum == n * (n + 1) // 2)
print(("ns %.2f"):format((os.clock() - began) / n * 1e9))
