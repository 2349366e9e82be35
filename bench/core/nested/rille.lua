-- nested: 100 tasks take turns, each waiting inside five generators. Arguments: turns in all, generators.
local rille = require "rille"
local yield = rille.yield
local n, depth = tonumber(arg[1]), tonumber(arg[2] or 5)

local function inside(level, f)
  if level == 0 then return f() end
  for _ in coroutine.wrap(function() inside(level - 1, f) end) do end
end

local began = os.clock()
rille.group(function(g)
  for _ = 1, 100 do
    g:spawn(inside, depth, function()
      for _ = 1, n // 100 do yield() end
    end)
  end
end)
print(("ns %.2f"):format((os.clock() - began) / n * 1e9))
