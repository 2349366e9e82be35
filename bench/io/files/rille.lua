-- files: reads of 4 KiB files, 64 at once. Argument: reads.
local rille = require "rille"
local fs = require "rille.fs"
local n = tonumber(arg[1])

local dir = os.getenv("BENCH_DIR") or "build/bench/files"
fs.mkdir(dir, { parents = true })
local paths = {}
for i = 1, 64 do
  paths[i] = dir .. "/" .. i
  fs.write(paths[i], ("x"):rep(4096))
end

local began = rille.now()
rille.group(function(g)
  for i = 1, 64 do
    g:spawn(function()
      for _ = 1, n // 64 do assert(#fs.read(paths[i]) == 4096) end
    end)
  end
end)
print(("per_s %.1f"):format(n // 64 * 64 / (rille.now() - began)))
