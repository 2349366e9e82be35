-- switch: 100 tasks take turns. Argument: turns in all.
local rille = require "rille"
local yield = rille.yield
local n = tonumber(arg[1])

local began = os.clock()
rille.group(function(g)
  for _ = 1, 100 do
    g:spawn(function()
      for _ = 1, n // 100 do yield() end
    end)
  end
end)
print(("ns %.2f"):format((os.clock() - began) / n * 1e9))
