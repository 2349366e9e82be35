-- timers: tasks that sleep five times for 1 to 100 ms; processor time a sleep. Argument: tasks.
local rille = require "rille"
local n = tonumber(arg[1])
math.randomseed(7)

local began = os.clock()
rille.group(function(g)
  for _ = 1, n do
    g:spawn(function()
      for _ = 1, 5 do rille.sleep(math.random(1, 100) / 1000) end
    end)
  end
end)
print(("ns %.2f"):format((os.clock() - began) / n / 5 * 1e9))
