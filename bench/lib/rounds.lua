-- Runs the programs of one work in turn and collects their figures.
local peers = require "peers"
local stats = require "stats"

local rounds = {}

local function say(...)
  io.stderr:write(...)
  io.stderr:flush()
end

local terminal = peers.succeeds_here("test -t 2")

local function progress(...)
  if terminal then say("\r", (...), (" "):rep(50 - #(...)), "\r", (...)) end
end

-- The "key number" pairs a command prints, or nil and all that it printed.
local function figures_of(command)
  local pipe <close> = assert(io.popen("timeout 120 " .. command .. " 2>&1"))
  local text = pipe:read("a")
  if not pipe:close() then return nil, text end
  local found, any = {}, false
  for key, value in text:gmatch("([%a_][%w_]*) (%-?[%d.]+)") do
    found[key], any = tonumber(value), true
  end
  if not any then return nil, text end
  return found
end

-- A slow peer's part is rounded to what every program's inner loop divides.
local function arguments(work, peer, options)
  local args = table.move(options.full and work.full or work.args, 1, 9, 1, {})
  local part = work.slow and work.slow[peer.name]
  if not part then return args end
  local unit = args[1] > 20000 and 10000 or 1
  args[1] = math.max(1, math.floor(args[1] * part / unit)) * unit
  return args
end

local function directory_of(work) return "bench/" .. work.group .. "/" .. (work.program or work.name) end

local function command_of(work, peer, options)
  local directory = directory_of(work)
  if work.start then
    if not work.commands[peer.name] or not peers.available(peer) then return nil end
    return ("%s %d %s %s"):format(assert(peers.compile("bench/tools/start.c")), work.args[1], peer.run,
      work.commands[peer.name])
  elseif work.server and not peer.alone then
    local server = peers.command(peer, directory, "")
    if not server then return nil end
    return ("%s %s %g %s"):format(assert(peers.compile(work.tool or "bench/tools/load.c")),
      table.concat(work.args, " "), work.seconds or options.seconds, server)
  end
  return peers.command(peer, directory, table.concat(arguments(work, peer, options), " "))
end

local function wanted(peer, work, options)
  if work.peers and not work.peers[peer.name] then return false end
  local package = work.packages and work.packages[peer.name]
  if package and not peers.succeeds(package) then return false end
  return peer.name == "rille" or not options.peers or options.peers[peer.name]
end

-- What takes part in a work: peers with a program that are installed.
local function field(work, options)
  local commands = {}
  for _, peer in ipairs(peers.all) do
    local command = wanted(peer, work, options) and command_of(work, peer, options)
    if command then commands[#commands + 1] = { peer = peer.name, command = command, values = {} } end
  end
  return commands
end

local function measure(work, options)
  if work.setup then dofile(work.setup) end
  local commands = field(work, options)
  local count = work.rounds or options.rounds
  for round = 1, count do
    progress(("%-24s round %d of %d "):format(work.name, round, count))
    for _, entry in ipairs(commands) do
      local found, text = nil, nil
      if not entry.failed then found, text = figures_of(entry.command) end
      if found then
        for key, value in pairs(found) do
          entry.values[key] = entry.values[key] or {}
          table.insert(entry.values[key], value)
        end
      elseif not entry.failed then
        entry.failed = true
        say("\n", entry.command, " failed:\n", #text > 300 and text:sub(1, 300) .. " ...\n" or text, "\n")
      end
    end
  end
  local result = {}
  for _, entry in ipairs(commands) do
    if not entry.failed then
      local medians = {}
      for key, values in pairs(entry.values) do medians[key] = stats.median(values) end
      result[entry.peer] = { median = medians, values = entry.values }
    end
  end
  return result
end

-- Instructions of a whole run in user space; exact, whatever else the machine does.
local function count(command, out)
  local tool = "valgrind --tool=callgrind --callgrind-out-file=" .. out .. " "
  local pipe <close> = assert(io.popen(tool .. command .. " 2>&1"))
  local text = pipe:read("a")
  local total = text:match("Collected : (%d+)")
  if not total then say("\nno instruction count of ", command, ":\n", text) end
  return tonumber(total)
end

local has_valgrind
local function valgrind()
  if has_valgrind == nil then
    has_valgrind = peers.succeeds("valgrind --version")
    if not has_valgrind then say("no valgrind: instructions are not counted\n") end
  end
  return has_valgrind
end

local function counted_command(work, name, n)
  local args = table.move(work.args, 1, 9, 1, {})
  args[1] = n
  return peers.command(peers.by_name[name], directory_of(work), table.concat(args, " "))
end

-- Instructions an operation: the difference of n and 2n operations, so that start-up drops out.
local function count_instructions(work, result)
  if not work.counted or not valgrind() then return end
  os.execute("mkdir -p " .. peers.build .. "/bench")
  for _, name in ipairs { "rille", "lua", "c" } do
    local one = counted_command(work, name, work.counted)
    if one then
      progress(("%-24s counting %s "):format(work.name, name))
      local out = peers.build .. "/bench/callgrind." .. work.name .. "." .. name
      local less, more = count(one, "/dev/null"), count(counted_command(work, name, 2 * work.counted), out)
      if less and more then
        result[name] = result[name] or { median = {}, values = {} }
        result[name].median.instructions = (more - less) / work.counted
      end
    end
  end
end

--- Runs one work; returns figures by peer.
function rounds.run(work, options)
  if work.needs and not peers.succeeds(work.needs) then
    say(work.name, " is left out: it needs ", work.needs, "\n")
    return nil
  end
  if options.mode == "instructions" and not work.counted then return nil end
  local result = options.mode == "instructions" and {} or measure(work, options)
  if not options.no_instructions then count_instructions(work, result) end
  progress("")
  return result
end

--- Prints where the instructions of a work go, for `peer`.
function rounds.profile(work, peer)
  assert(valgrind() and work.counted, "this work has no instruction count")
  local out = peers.build .. "/bench/callgrind.profile"
  count(counted_command(work, peer, 2 * work.counted), out)
  return os.execute(("callgrind_annotate --show-percs=yes %s | head -60"):format(out)) and 0 or 1
end

return rounds
