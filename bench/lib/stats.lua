-- Medians, and numbers as people read them.
local stats = {}

function stats.median(values)
  local sorted = table.move(values, 1, #values, 1, {})
  table.sort(sorted)
  local middle = #sorted // 2
  if #sorted % 2 == 1 then return sorted[middle + 1] end
  return (sorted[middle] + sorted[middle + 1]) / 2
end

--- Three digits that matter, and k or M above ten thousand.
function stats.short(x)
  if x ~= x then return "?" end
  if math.abs(x) >= 1e6 then return ("%.3gM"):format(x / 1e6) end
  if math.abs(x) >= 1e4 then return ("%.3gk"):format(x / 1e3) end
  if math.abs(x) >= 100 then return ("%.0f"):format(x) end
  return (("%.3g"):format(x))
end

return stats
