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
  local ours, rest = { timeout = 30, words = {} }, {} -- words: for the processes of --jobs and --watch
  for i, word in ipairs(words) do
    if (word == "--explore" or word == "--jobs") and words[i + 1] then
      word = word .. "=" .. words[i + 1]
      words[i + 1] = "--"
    end
    local name, value = word:match "^%-%-([%w-]+)=(.*)$"
    if name == "timeout" then
      local seconds, complaint = positive(value, name)
      if not seconds then return nil, complaint end
      ours.timeout = seconds
      ours.words[#ours.words + 1] = word
    elseif name == "explore" or name == "jobs" then
      local count, complaint = positive(value, name)
      if not count then return nil, complaint end
      ours[name] = count // 1 | 0
      if name == "explore" then ours.words[#ours.words + 1] = word end
    elseif word == "--virtual-clock" then
      ours.virtual_clock = true
      ours.words[#ours.words + 1] = word
    elseif word == "--watch" then
      ours.watch = true
    elseif word == "--" then
      goto next
    else
      if name == "seed" then ours.seed = tonumber(value) end
      rest[#rest + 1] = word
    end
    ::next::
  end
  return ours, rest
end

return options
