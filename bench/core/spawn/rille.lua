-- spawn and join: tasks that yield once, in waves. Arguments: tasks in all, tasks a wave.
local rille = require "rille"
local yield = rille.yield
local n, wave = tonumber(arg[1]), tonumber(arg[2] or 1000)

local function once() yield() end

local began = os.clock()
for _ = 1, n // wave do
  rille.group(function(g)
    for _ = 1, wave do g:spawn(once) end
  end)
end
print(("ns %.2f"):format((os.clock() - began) / n * 1e9))
