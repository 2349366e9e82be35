-- rille.inspect: any value as text that people read: cycle-safe, sorted, as short as its limits ask.

local COLORS = {
  string = "\27[32m", number = "\27[36m", boolean = "\27[35m", ["nil"] = "\27[35m",
  object = "\27[34m", rest = "\27[2m",
}
local OPTIONS = { depth = 8, items = 100, text = 1000, width = 80, color = false, raw = false }
local KEYWORDS = {}
for word in ("and break do else elseif end false for function goto if in local nil not or repeat return then true until while"):gmatch "%a+" do
  KEYWORDS[word] = true
end

local ESCAPES = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\\"] = "\\\\", ['"'] = '\\"', ["\27"] = "\\27" }

local function escape(text)
  text = text:gsub('[%c\\"\127]', function(c)
    return ESCAPES[c] or ("\\%d"):format(c:byte())
  end)
  if not utf8.len(text) then
    text = text:gsub("[\128-\255]", function(c)
      return ("\\x%02X"):format(c:byte())
    end)
  end
  return text
end

local function paint(state, kind, text)
  if not state.color then
    return text
  end
  return (COLORS[kind] or COLORS.object) .. text .. "\27[0m"
end

local function show_string(state, value)
  local more = #value - state.text
  if more > 0 then
    local cut = value:sub(1, state.text):gsub("[\192-\255][\128-\191]*$", "")
    return paint(state, "string", '"' .. escape(cut) .. '"') .. paint(state, "rest", ("… %d bytes more"):format(more))
  end
  return paint(state, "string", '"' .. escape(value) .. '"')
end

local function show_function(state, value)
  local info = debug.getinfo(value, "S")
  if info.what == "C" then
    return paint(state, "object", "function (in C)")
  end
  return paint(state, "object", ("function %s:%d"):format(info.short_src, info.linedefined))
end

local function show_number(state, value)
  local text = math.type(value) == "float" and ("%.14g"):format(value) or ("%d"):format(value)
  if math.type(value) == "float" then
    if tonumber(text) ~= value and value == value then
      text = ("%.17g"):format(value)
    end
    if not text:find "[^%d%-]" then
      text = text .. ".0"
    end
  end
  return paint(state, "number", text)
end

-- tostring of values that say themselves what they are; nil if they do not.
local function own_text(value)
  local meta = debug.getmetatable(value)
  if type(meta) ~= "table" or not rawget(meta, "__tostring") then
    return nil
  end
  local ok, text = pcall(tostring, value)
  return ok and text or "(its __tostring failed)"
end

local show

local function show_key(state, key, depth)
  if type(key) == "string" and key:find "^[%a_][%w_]*$" and not KEYWORDS[key] then
    return key
  end
  return "[" .. show(state, key, depth) .. "]"
end

local RANK = { number = 1, string = 2, boolean = 3 }

local function before(a, b)
  local ra, rb = RANK[type(a)] or 4, RANK[type(b)] or 4
  if ra ~= rb then
    return ra < rb
  elseif ra <= 2 then
    return a < b
  end
  return tostring(a) < tostring(b)
end

local function other_keys(value, count, limit)
  local keys, total = {}, 0
  for key in next, value do
    if not (math.type(key) == "integer" and key >= 1 and key <= count) then
      total = total + 1
      if total <= limit * 10 + 1000 then
        keys[#keys + 1] = key
      end
    end
  end
  pcall(table.sort, keys, before)
  return keys, total
end

-- The entries as texts, at most `state.items` of them.
local function entries(state, value, depth)
  local out, left = {}, state.items
  local count = rawlen(value)
  for i = 1, math.min(count, left) do
    out[i] = show(state, rawget(value, i), depth)
  end
  left = left - #out
  local keys, total = other_keys(value, count, state.items)
  for i = 1, math.min(#keys, left) do
    local key = keys[i]
    out[#out + 1] = show_key(state, key, depth) .. " = " .. show(state, rawget(value, key), depth)
  end
  local hidden = count + total - #out
  if hidden > 0 then
    out[#out + 1] = paint(state, "rest", ("… %d more"):format(hidden))
  end
  return out
end

local function width_of(text)
  text = text:gsub("\27%[[%d;]*m", "")
  return utf8.len(text) or #text
end

local function layout(state, parts, depth)
  if #parts == 0 then
    return "{}"
  end
  local line = "{ " .. table.concat(parts, ", ") .. " }"
  if width_of(line) + 2 * depth <= state.width and not line:find "\n" then
    return line
  end
  local pad = ("  "):rep(depth + 1)
  return "{\n" .. pad .. table.concat(parts, ",\n" .. pad) .. ",\n" .. ("  "):rep(depth) .. "}"
end

local function show_table(state, value, depth)
  if state.open[value] then
    return paint(state, "rest", depth - state.open[value] == 1 and "<itself>" or ("<cycle: %d up>"):format(depth - state.open[value]))
  end
  local text = not state.raw and own_text(value)
  if text then
    return paint(state, "object", text)
  end
  local meta = debug.getmetatable(value)
  local name = type(meta) == "table" and rawget(meta, "__name")
  local prefix = type(name) == "string" and paint(state, "object", name) .. " " or ""
  if depth >= state.depth then
    return prefix .. (next(value) == nil and "{}" or paint(state, "rest", "{…}"))
  end
  state.open[value] = depth
  local parts = entries(state, value, depth + 1)
  state.open[value] = nil
  return prefix .. layout(state, parts, depth)
end

function show(state, value, depth)
  local kind = type(value)
  if kind == "table" then
    return show_table(state, value, depth)
  elseif kind == "string" then
    return show_string(state, value)
  elseif kind == "number" then
    return show_number(state, value)
  elseif kind == "nil" or kind == "boolean" then
    return paint(state, kind, tostring(value))
  elseif kind == "function" then
    return show_function(state, value)
  end
  return paint(state, "object", own_text(value) or tostring(value))
end

--- Shows a value as text: nested tables on one line when they fit, keys sorted, cycles marked, long things cut.
--- Objects with `__tostring` show as that says.
--- @param value any
--- @param options? { depth: integer?, items: integer?, text: integer?, width: integer?, color: boolean?, raw: boolean? } limits: levels, entries of a table, bytes of a string, columns; `raw` ignores `__tostring`
--- @return string
local function inspect(value, options)
  local state = { open = {} }
  for name in pairs(options or {}) do
    if OPTIONS[name] == nil then
      error(("inspect: unknown option '%s'"):format(tostring(name)), 2)
    end
  end
  for name, default in pairs(OPTIONS) do
    local given = options and options[name]
    if given == nil then
      given = default
    elseif type(given) ~= type(default) then
      error(("inspect: option '%s' must be a %s"):format(name, type(default)), 2)
    end
    state[name] = given
  end
  return show(state, value, 0)
end

return inspect
