-- `rille test [options] [path...]`: busted's specs, run inside the runtime.
local usage = [[
usage: rille test [options] [file or directory...]
  --timeout=S        deadline of each part of a test (30)
  --virtual-clock    every test runs on a virtual clock
  --seed=N           of the order of equally ready tasks, and of shuffled tests
and busted's own options, among them --filter=PATTERN, --tags=TAGS, --shuffle, --repeat=N, -o, -v
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
  return require("rille.test.runner").run(ours, rest)
end
