-- Map and reduce: counts the words of every text file below a directory on worker threads.
--   rille examples/wordcount.lua [DIRECTORY]
local rille = require "rille"
local fs = require "rille.fs"
local parallel = require "rille.parallel"

local root = arg[1] or "docs"
if not fs.exists(root) then root = (arg[0]:match "^(.*)/[^/]*$" or ".") .. "/../" .. root end

-- In a worker: reads a file and counts its words.
local function count(path)
  local words = {}
  for word in fs.read(path):lower():gmatch "%a[%a']+" do
    words[word] = (words[word] or 0) + 1
  end
  return words
end

-- In a worker, for the files of a chunk; then here, for the chunks.
local function add(a, b)
  for word, n in pairs(b) do a[word] = (a[word] or 0) + n end
  return a
end

local files = {}
for path, kind in fs.walk(root) do
  local text = path:match "%.md$" or path:match "%.txt$"
  if kind == "file" and text then files[#files + 1] = path end
end
table.sort(files)

local began = rille.now()
local counts = parallel.map(files, count)
local words = parallel.reduce(counts, add, {})
local seconds = rille.now() - began

local list, total = {}, 0
for word, n in pairs(words) do
  list[#list + 1] = word
  total = total + n
end
table.sort(list, function(a, b)
  if words[a] ~= words[b] then return words[a] > words[b] end
  return a < b
end)
print(("%d words, %d different, in %d files, in %.3f s"):format(total, #list, #files, seconds))
for i = 1, math.min(10, #list) do print(("%6d %s"):format(words[list[i]], list[i])) end
