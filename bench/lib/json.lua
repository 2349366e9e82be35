-- Writes plain tables as JSON, keys in order. Sequences are arrays.
local json = {}

local function quote(text)
  return '"' .. text:gsub('[%c"\\]', function(c) return ("\\u%04x"):format(c:byte()) end) .. '"'
end

local function encode(value, indent)
  if type(value) == "number" then
    return value == value and math.abs(value) < math.huge and ("%.14g"):format(value) or "null"
  elseif type(value) ~= "table" then
    return type(value) == "string" and quote(value) or tostring(value)
  end
  local parts, inner = {}, indent .. "  "
  if #value > 0 then
    for i, item in ipairs(value) do parts[i] = encode(item, inner) end
    return "[" .. table.concat(parts, ", ") .. "]"
  end
  local keys = {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys)
  for i, key in ipairs(keys) do parts[i] = inner .. quote(key) .. ": " .. encode(value[key], inner) end
  if #parts == 0 then return "{}" end
  return "{\n" .. table.concat(parts, ",\n") .. "\n" .. indent .. "}"
end

function json.encode(value) return encode(value, "") .. "\n" end

return json
