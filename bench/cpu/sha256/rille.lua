-- sha256: strings of 1 MiB hashed from async code on all cores, and how late a 1 ms timer is meanwhile.
-- Argument: strings.
local rille = require "rille"
local hash = require "rille.hash"
local n = tonumber(arg[1])
local data = ("0123456789abcdef"):rep(65536)
hash.sha256(data)

local late, running = 0, true
local began = rille.now()
rille.group(function(g)
  g:spawn(function()
    while running do
      local due = rille.now() + 0.001
      rille.sleep(0.001)
      late = math.max(late, rille.now() - due)
    end
  end)
  local list = {}
  for i = 1, n do list[i] = data end
  rille.map(list, function(one) return hash.sha256(one) end, { concurrency = 16 })
  running = false
end)
print(("gb_s %.4f late_ms %.3f"):format(n * #data / (rille.now() - began) / 1e9, late * 1000))
