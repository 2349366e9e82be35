-- Measures rille beside its peers. Everything of one work runs interleaved (A B C A B C ...); medians count.
-- Usage: bench/run [--list] [--full] [--rounds N] [--peers A,B] [--json FILE] [--no-instructions] [WORK|GROUP...]
--        bench/run instructions [WORK...]     instruction counts alone
--        bench/run profile WORK [PEER]        where the instructions go
package.path = "bench/lib/?.lua;" .. package.path
local works = require "works"
local measure = require "rounds"
local report = require "report"

local usage = [[
usage: ./dev bench [OPTIONS] [instructions] [WORK|GROUP...]
       ./dev bench profile WORK [PEER]
  --list             the works and their targets
  --full             the sizes the targets speak of, and more works (takes longer)
  --rounds N         rounds a work, 5 if not given
  --peers A,B        only these peers beside rille
  --json FILE        where the figures go (build/bench/latest.json)
  --no-instructions  no instruction counts
  --install-peers    installs the peers that are missing first
]]

local options = { rounds = 5, seconds = 0.5, json = nil, chosen = {} }

local function fail(text)
  io.stderr:write("bench: ", text, "\n", usage)
  os.exit(2)
end

local function split(list)
  local set = {}
  for name in list:gmatch("[^,]+") do set[name] = true end
  return set
end

local flags = {
  ["--list"] = function() options.list = true end,
  ["--full"] = function() options.full, options.seconds = true, 2 end,
  ["--no-instructions"] = function() options.no_instructions = true end,
  ["--install-peers"] = function() end,
  ["--help"] = function()
    io.write(usage)
    os.exit(0)
  end,
}
local values = {
  ["--rounds"] = function(v) options.rounds = tonumber(v) or fail("--rounds takes a number") end,
  ["--peers"] = function(v) options.peers = split(v) end,
  ["--json"] = function(v) options.json = v end,
}

local i = 1
while arg[i] do
  local word = arg[i]
  if flags[word] then
    flags[word]()
  elseif values[word] then
    i = i + 1
    values[word](arg[i] or fail(word .. " takes a value"))
  elseif word == "instructions" or word == "profile" then
    options.mode = word
  elseif word:sub(1, 1) == "-" then
    fail("unknown option " .. word)
  else
    table.insert(options.chosen, word)
  end
  i = i + 1
end

local function chosen(work)
  if #options.chosen == 0 then return options.full or not work.only_full end
  for _, name in ipairs(options.chosen) do
    if name == work.name or name == work.group then return true end
  end
  return false
end

local list = {}
for _, work in ipairs(works) do
  if options.mode == "profile" and work.name == options.chosen[1] then
    os.exit(measure.profile(work, options.chosen[2] or "rille"))
  end
  if chosen(work) then list[#list + 1] = work end
end
if #list == 0 or options.mode == "profile" then fail("no such work: " .. table.concat(options.chosen, " ")) end

if options.list then
  report.list(list)
  os.exit(0)
end

local began = os.time()
local figures = {}
for _, work in ipairs(list) do
  local result = measure.run(work, options)
  if result then figures[work.name] = result end
end
report.table(list, figures)
io.write(("\nmedians of %d rounds; %d s in all\n"):format(options.rounds, os.time() - began))
report.json(list, figures, options)
