-- SHA-256 of files, on all cores, checked against coreutils: rille examples/sha256sum.lua [FILE...]
-- Without arguments it hashes what it finds in /usr/bin and beside itself.
local rille = require "rille"
local fs = require "rille.fs"
local hash = require "rille.hash"
local path = require "rille.path"
local process = require "rille.process"

local FILES = 200

local function choose()
  local files = {}
  for _, dir in ipairs { path.dirname(arg[0]), "/usr/bin" } do
    for name, kind in fs.list(dir) do
      if kind == "file" and #files < FILES then
        files[#files + 1] = path.join(dir, name)
      end
    end
  end
  return files
end

local files = #arg > 0 and table.move(arg, 1, #arg, 1, {}) or choose()
local bytes = 0
for _, file in ipairs(files) do
  bytes = bytes + fs.stat(file).size
end

local start = rille.now()
local sums = rille.map(files, function(file)
  return hash.file(file, "sha256")
end, { concurrency = 2 * rille.os.cpus() })
local took = rille.now() - start

start = rille.now()
local command = table.move(files, 1, #files, 3, { "sha256sum", "--" })
local theirs = process.run(command)
local theirs_took = rille.now() - start

local wanted = {}
for sum, file in theirs.stdout:gmatch "(%x+)  ([^\n]+)\n" do
  wanted[file] = sum
end
for i, file in ipairs(files) do
  if wanted[file] ~= sums[i] then
    error(("%s: %s here, %s by coreutils"):format(file, sums[i], wanted[file]))
  end
end
print(("%d files, %.1f MB: all sums agree with coreutils"):format(#files, bytes / 1e6))
print(("rille %.2f s on %d cores, sha256sum %.2f s"):format(took, rille.os.cpus(), theirs_took))
