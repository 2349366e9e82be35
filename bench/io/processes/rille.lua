-- processes: runs of /bin/true, 16 at once. Argument: runs.
local rille = require "rille"
local process = require "rille.process"
local n = tonumber(arg[1])

local began = rille.now()
rille.group(function(g)
  for _ = 1, 16 do
    g:spawn(function()
      for _ = 1, n // 16 do assert(process.run { "/bin/true" }.code == 0) end
    end)
  end
end)
print(("per_s %.1f"):format(n // 16 * 16 / (rille.now() - began)))
