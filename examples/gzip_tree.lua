-- Compresses a tree of files on all cores: one .gz beside each file's name in another directory, checked by gunzip itself.
-- usage: rille gzip_tree.lua [DIRECTORY OUTPUT]     without arguments, on a tree it makes and removes
local rille = require "rille"
local fs = require "rille.fs"
local zip = require "rille.zip"
local process = require "rille.process"
local os_info = require "rille.os"

-- Texts of different sizes, in directories three deep.
local function make_tree(dir)
  local words = { "alpha", "beta", "gamma", "delta", "epsilon", "zeta" }
  for i = 1, 60 do
    local lines = {}
    for n = 1, 40 * i do lines[n] = ("%d %s %s"):format(n * i, words[n % 6 + 1], words[(n * i) % 6 + 1]) end
    local sub = ("%s/%s/%d"):format(dir, words[i % 6 + 1], i % 3)
    fs.mkdir(sub, { parents = true })
    fs.write(("%s/%d.txt"):format(sub, i), table.concat(lines, "\n"))
  end
end

local function compress(from, to)
  local files = {}
  for file, kind in fs.walk(from) do
    if kind == "file" then files[#files + 1] = file end
  end
  table.sort(files)
  local bar <close> = rille.progress(#files, "gzip")
  local before, after, start = 0, 0, rille.now()
  rille.map(files, function(file)
    local data = fs.read(file)
    local packed = zip.gzip(data, { level = 6 })
    local target = to .. file:sub(#from + 1) .. ".gz"
    fs.mkdir(target:match("^(.*)/"), { parents = true })
    fs.write(target, packed)
    before, after = before + #data, after + #packed
    bar:add(1)
  end, { concurrency = 2 * os_info.cpus() })
  return #files, before, after, rille.now() - start
end

local function check(dir)
  local command = { "gunzip", "-t" }
  for file, kind in fs.walk(dir) do
    if kind == "file" then command[#command + 1] = file end
  end
  process.run { check = true, table.unpack(command) }
  return #command - 2
end

local from, to = arg[1], arg[2]
local scratch, cleanup
if not (from and to) then
  scratch, cleanup = fs.temp_dir()
  from, to = scratch .. "/plain", scratch .. "/packed"
  make_tree(from)
end
local _ <close> = cleanup

local count, before, after, seconds = compress(from, to)
print(("%d files, %d KiB to %d KiB in %.2f s"):format(count, before // 1024, after // 1024, seconds))
print(("gunzip -t is content with %d of them"):format(check(to)))
