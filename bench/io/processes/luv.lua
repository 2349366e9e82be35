-- processes on luv, by callbacks: runs of /bin/true, 16 at once.
local uv = require "luv"
local n = tonumber(arg[1])

local left = n // 16 * 16
local began = uv.hrtime()
local function next_run()
  if left <= 0 then return end
  left = left - 1
  local process
  process = uv.spawn("/bin/true", {}, function(code)
    assert(code == 0)
    process:close()
    next_run()
  end)
end
for _ = 1, 16 do next_run() end
uv.run()
print(("per_s %.1f"):format(n // 16 * 16 / (uv.hrtime() - began) * 1e9))
