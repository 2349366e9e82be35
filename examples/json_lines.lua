-- A large file of JSON lines to an aggregate: makes one, then reads it as a stream, never whole.
--   rille examples/json_lines.lua [ROWS]
local rille = require "rille"
local fs = require "rille.fs"
local json = require "rille.json"

local rows = tonumber(arg[1]) or 100000
local dir, _ <close> = fs.temp_dir()
local path = dir .. "/orders.jsonl"

local cities = { "Lagos", "Lima", "Łódź", "Oslo", "東京" }

local function write_orders()
  local file <close> = fs.open(path, "w")
  local batch = {}
  for i = 1, rows do
    batch[#batch + 1] = json.encode {
      id = i,
      city = cities[i % #cities + 1],
      items = { { sku = "a" .. i % 7, n = i % 3 + 1 } },
      total = i % 1000 / 4,
    }
    if #batch == 1000 or i == rows then
      file:write(table.concat(batch, "\n"), "\n")
      batch = {}
    end
  end
end

local function aggregate()
  local file <close> = fs.open(path, "r")
  local sums = {}
  for order in json.lines(file) do
    local sum = sums[order.city] or { city = order.city, orders = 0, items = 0, total = 0.0 }
    sums[order.city] = sum
    sum.orders = sum.orders + 1
    sum.total = sum.total + order.total
    for _, item in ipairs(order.items) do sum.items = sum.items + item.n end
  end
  return sums
end

write_orders()
local size = fs.stat(path).size
local began = rille.now()
local sums = aggregate()
local seconds = rille.now() - began

local list = {}
for _, sum in pairs(sums) do list[#list + 1] = sum end
table.sort(list, function(a, b) return a.city < b.city end)
for _, sum in ipairs(list) do print(json.encode(sum, { sort_keys = true })) end
local megabytes = size / 1e6
local rate = megabytes / seconds
print(("%d rows, %.1f MB in %.2f s: %.0f MB/s"):format(rows, megabytes, seconds, rate))
