-- The options of `rille test`: its own are taken out, the rest is busted's.
local options = {}

local function positive(text, name)
  local value = tonumber(text)
  if not value or value <= 0 then
    return nil, ("--%s wants a positive number, not '%s'"):format(name, text)
  end
  return value
end

--- Returns our options and the words left for busted, or nil and a complaint.
function options.read(words)
  local ours, rest = { timeout = 30 }, {}
  for _, word in ipairs(words) do
    local name, value = word:match "^%-%-([%w-]+)=(.*)$"
    if name == "timeout" then
      local seconds, complaint = positive(value, name)
      if not seconds then return nil, complaint end
      ours.timeout = seconds
    elseif word == "--virtual-clock" then
      ours.virtual_clock = true
    else
      if name == "seed" then ours.seed = tonumber(value) end
      rest[#rest + 1] = word
    end
  end
  return ours, rest
end

return options
