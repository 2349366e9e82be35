-- The table and the JSON file: figures by peer, ratios to rille, targets.
local json = require "json"
local peers = require "peers"
local stats = require "stats"

local report = {}

local function figure(figures, work, peer, metric)
  local of = figures[work] and figures[work][peer]
  return of and of.median[metric]
end

-- A target in words, and its limit in numbers if the peers for it were measured.
local function target(work, reach, figures)
  local limit, sign = reach.at_most or reach.at_least, reach.at_most and "<=" or ">="
  if reach.times then
    local base = figures and figure(figures, work.name, reach.times, reach.metric)
    return ("%s %g x %s"):format(sign, limit, reach.times), base and base * limit
  elseif reach.work then
    local base = figures and figure(figures, reach.work, "rille", reach.metric)
    return ("%s %g x %s"):format(sign, limit, reach.work), base and base * limit
  end
  return ("%s %s"):format(sign, stats.short(limit)), limit
end

-- A target never asks for more than this part of what the floor does, where a work has one.
local OF_FLOOR = 0.9

-- The limit that the floor allows, if the target's own lies beyond it.
local function floored(work, reach, figures, limit)
  local floor = reach.floor and figure(figures, work.name, reach.floor, reach.metric)
  if not floor then return nil end
  if reach.at_least then return limit > floor * OF_FLOOR and floor * OF_FLOOR or nil end
  return limit < floor / OF_FLOOR and floor / OF_FLOOR or nil
end

-- "<= 0.8 x lua: reached"; the limit in numbers where it is a ratio. Nil without a figure of ours.
local function verdict(work, reach, figures)
  local words, limit = target(work, reach, figures)
  local ours = figure(figures, work.name, "rille", reach.metric)
  if not ours or not limit then return words .. ": not measured", nil end
  if reach.times or reach.work then words = words .. " = " .. stats.short(limit) end
  local allowed = floored(work, reach, figures, limit)
  if allowed then
    words = ("%s, beyond %g of the floor %s, which is %s"):format(words, OF_FLOOR, reach.floor, stats.short(allowed))
    limit = allowed
  end
  local reached = reach.at_most and ours <= limit or reach.at_least and ours >= limit or false
  return words .. (reached and ": reached" or ": NOT REACHED"), reached
end

local function metrics_of(work)
  local list = table.move(work.metrics, 1, #work.metrics, 1, {})
  if work.counted then list[#list + 1] = { key = "instructions", unit = "instr" } end
  return list
end

-- Peers that have any figure, rille first.
local function columns(list, figures)
  local names = {}
  for _, peer in ipairs(peers.all) do
    for _, work in ipairs(list) do
      if figures[work.name] and figures[work.name][peer.name] then
        names[#names + 1] = peer.name
        break
      end
    end
  end
  return names
end

local function cell(figures, work, peer, key)
  local value = figure(figures, work.name, peer, key)
  if not value then return "" end
  local ours = figure(figures, work.name, "rille", key)
  if peer == "rille" or not ours or ours == 0 then return stats.short(value) end
  local ratio = value / ours
  return ("%s %sx"):format(stats.short(value), (ratio < 10 and "%.2f" or "%.0f"):format(ratio))
end

local function row(figures, work, metric, names)
  local cells = { ("%-12s %-8s"):format(work.name, metric.unit) }
  local any = false
  for _, name in ipairs(names) do
    local text = cell(figures, work, name, metric.key)
    any = any or text ~= ""
    cells[#cells + 1] = ("%13s"):format(text)
  end
  if not any then return nil end
  local targets = {}
  for _, reach in ipairs(work.reach or {}) do
    if reach.metric == metric.key then targets[#targets + 1] = (verdict(work, reach, figures)) end
  end
  return table.concat(cells, " ") .. "   " .. table.concat(targets, "; ")
end

function report.table(list, figures)
  local names = columns(list, figures)
  local heads = { ("%-12s %-8s"):format("work", "") }
  for _, name in ipairs(names) do heads[#heads + 1] = ("%13s"):format(name) end
  print(table.concat(heads, " ") .. "   target")
  local reached, missed = 0, 0
  for _, work in ipairs(list) do
    for _, metric in ipairs(metrics_of(work)) do
      local text = figures[work.name] and row(figures, work, metric, names)
      if text then print((text:gsub("%s+$", ""))) end
    end
    for _, reach in ipairs(work.reach or {}) do
      local _, ok = verdict(work, reach, figures)
      if ok then reached = reached + 1 elseif ok == false then missed = missed + 1 end
    end
  end
  print(("\nx: the peer's figure over rille's. Targets: %d reached, %d not reached"):format(reached, missed))
end

function report.list(list)
  for _, work in ipairs(list) do
    local targets = {}
    for _, reach in ipairs(work.reach or {}) do targets[#targets + 1] = reach.metric .. " " .. target(work, reach) end
    print(("%-6s %-12s %s"):format(work.group, work.name, table.concat(targets, "; ")))
  end
end

local function output_of(command)
  local pipe <close> = assert(io.popen(command .. " 2>/dev/null"))
  return (pipe:read("a"):gsub("%s+$", ""))
end

function report.json(list, figures, options)
  local path = options.json or peers.build .. "/bench/latest.json"
  os.execute("mkdir -p " .. peers.build .. "/bench")
  local out = { rounds = options.rounds, full = options.full or false, works = {} }
  out.machine = output_of("uname -srm") .. ", " .. output_of("nproc") .. " processors"
  out.when = os.date("!%Y-%m-%dT%H:%M:%SZ")
  out.commit = output_of("git rev-parse --short HEAD")
  for _, work in ipairs(list) do
    if figures[work.name] then
      local targets = {}
      for i, reach in ipairs(work.reach or {}) do
        local words, ok = verdict(work, reach, figures)
        targets[i] = { metric = reach.metric, target = words, reached = ok == true }
      end
      out.works[work.name] = { peers = figures[work.name], targets = targets }
    end
  end
  local file <close> = assert(io.open(path, "w"))
  file:write(json.encode(out))
  print("figures: " .. path)
end

return report
