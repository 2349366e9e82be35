-- `rille test [options] [path...]`: busted's specs, run inside the runtime.
local usage = [[
usage: rille test [options] [file or directory...]
  --timeout=S        deadline of each part of a test (30)
  --virtual-clock    every test runs on a virtual clock
  --seed=N           of the order of equally ready tasks, and of shuffled tests
  --explore=N        each test under N seeded orders of tasks; tells the seed that fails
  --jobs=N           a process for each file, N at a time
  --watch            again whenever a Lua file changes
and busted's own options, among them --filter=PATTERN, --tags=TAGS, --shuffle, --repeat=N, -v, -o TAP, -o junit
]]

return function(...)
  local words = { ... }
  for _, word in ipairs(words) do
    if word == "--help" or word == "-h" then
      io.write(usage)
      return 0
    end
  end
  local ours, rest = require("rille.test.options").read(words)
  if not ours then
    io.stderr:write("rille test: ", rest, "\n")
    return 2
  end
  if ours.watch or ours.jobs then
    local jobs = require "rille.test.jobs"
    table.move(rest, 1, #rest, #ours.words + 1, ours.words)
    if ours.watch then
      if ours.jobs then table.insert(ours.words, 1, "--jobs=" .. ours.jobs) end
      return jobs.watch(ours.words)
    end
    return jobs.run(ours.jobs, ours.words)
  end
  return require("rille.test.runner").run(ours, rest)
end
