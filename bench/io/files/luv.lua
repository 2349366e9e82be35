-- files on luv, by callbacks: open, read and close of 4 KiB files, 64 at once.
local uv = require "luv"
local n = tonumber(arg[1])

local dir = "build/bench/files"
os.execute("mkdir -p " .. dir)
local paths = {}
for i = 1, 64 do
  paths[i] = dir .. "/" .. i
  local file <close> = assert(io.open(paths[i], "w"))
  file:write(("x"):rep(4096))
end

local left, pending = n // 64 * 64, 64
local began = uv.hrtime()
local function next_read(path)
  if left <= 0 then
    pending = pending - 1
    return
  end
  left = left - 1
  uv.fs_open(path, "r", 0, function(_, fd)
    uv.fs_read(fd, 65536, 0, function(_, data)
      assert(#data == 4096)
      uv.fs_close(fd, function() next_read(path) end)
    end)
  end)
end
for i = 1, 64 do next_read(paths[i]) end
uv.run()
assert(pending == 0)
print(("per_s %.1f"):format(n // 64 * 64 / (uv.hrtime() - began) * 1e9))
