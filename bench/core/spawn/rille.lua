-- spawn and join: tasks that yield once, in waves. Arguments: tasks in all, tasks a wave.
local rille = require "rille"
local n, wave = tonumber(arg[1]), tonumber(arg[2] or 1000)

local began = os.clock()
for _ = 1, n // wave do
  rille.group(function(g)
    for _ = 1, wave do g:spawn(rille.yield) end
  end)
end
print(("ns %.2f"):format((os.clock() - began) / n * 1e9))
