-- --jobs=N: a process for each file, N at a time; --watch: again whenever a Lua file changes.
local rille = require "rille"

local jobs = {}

local function program()
  local name = arg and arg[-1] or "rille"
  return name
end

local function is_directory(path)
  local stat = rille.try(rille.fs.stat, path)
  return stat and stat.type == "directory"
end

local function files_of(paths)
  local files = {}
  for _, path in ipairs(paths) do
    if is_directory(path) then
      for _, file in ipairs(rille.fs.glob(path .. "/**/*_spec.lua")) do
        files[#files + 1] = file
      end
    else
      files[#files + 1] = path
    end
  end
  return files
end

-- Options that have their value in the next word.
local VALUED = { ["-o"] = true, ["-t"] = true, ["-p"] = true, ["-m"] = true, ["-r"] = true, ["-f"] = true }

--- Splits words into options and paths; without paths it is `spec` or `tests`.
function jobs.split(words)
  local flags, paths = {}, {}
  local i = 1
  while i <= #words do
    local word = words[i]
    if word:sub(1, 1) ~= "-" then
      paths[#paths + 1] = word
    else
      flags[#flags + 1] = word
      if VALUED[word] then
        i = i + 1
        flags[#flags + 1] = words[i]
      end
    end
    i = i + 1
  end
  if #paths == 0 then
    paths[1] = is_directory "spec" and "spec" or "tests"
  end
  return flags, paths
end

local function run_one(flags, file)
  local command = { program(), "test" }
  table.move(flags, 1, #flags, 3, command)
  command[#command + 1] = file
  local began = rille.now()
  local result = rille.process.run(command)
  local output = result.stdout .. result.stderr
  local passed, failed, skipped = output:match "(%d+) passed, (%d+) failed, (%d+) skipped"
  local tally = { tonumber(passed) or 0, tonumber(failed) or 1, tonumber(skipped) or 0 }
  if result.code ~= 0 and tally[2] == 0 then
    tally[2] = 1
  end
  print(("%s: %d passed, %d failed, %d skipped in %.2f s"):format(file, tally[1], tally[2], tally[3], rille.now() - began))
  if tally[2] > 0 then
    print((output:gsub("%s+$", "")))
  end
  return tally
end

--- Runs every file in a process of its own, `count` at a time. Returns the exit status.
--- @async
function jobs.run(count, words)
  local flags, paths = jobs.split(words)
  local began = rille.now()
  local tallies = rille.map(files_of(paths), function(file) return run_one(flags, file) end, { concurrency = count })
  local sum = { 0, 0, 0 }
  for _, tally in ipairs(tallies) do
    for i = 1, 3 do
      sum[i] = sum[i] + tally[i]
    end
  end
  print(("%d passed, %d failed, %d skipped in %.2f s"):format(sum[1], sum[2], sum[3], rille.now() - began))
  return (sum[2] > 0 or #tallies == 0) and 1 or 0
end

--- Runs the tests, and again after each change, until it is interrupted.
--- @async
function jobs.watch(words)
  local command = { program(), "test" }
  table.move(words, 1, #words, 3, command)
  require("rille.restart").run(command)
  return 0
end

return jobs
