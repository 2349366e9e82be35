-- lock: 1,000 tasks contend, with a yield inside. Argument: acquisitions in all.
local rille = require "rille"
local yield = rille.yield
local n = tonumber(arg[1])
local lock = rille.lock()

local began = os.clock()
rille.group(function(g)
  for _ = 1, 1000 do
    g:spawn(function()
      for _ = 1, n // 1000 do
        lock:acquire()
        yield()
        lock:release()
      end
    end)
  end
end)
print(("ns %.2f"):format((os.clock() - began) / n * 1e9))
