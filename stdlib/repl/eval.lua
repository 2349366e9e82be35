-- Compiling what is typed: expressions and statements, and top-level locals that stay for the next input.
local eval = {}

local OPENS = { ["function"] = true, ["do"] = true, ["if"] = true, ["repeat"] = true }
local CLOSES = { ["end"] = true, ["until"] = true }
local KEEP = "__rille_keep"

local function skip_string(text, at, quote)
  at = at + 1
  while at <= #text do
    local c = text:sub(at, at)
    if c == "\\" then
      at = at + 1
    elseif c == quote or c == "\n" then
      return at + 1
    end
    at = at + 1
  end
  return at
end

local function skip_long(text, at)
  local level = text:match("^%[(=*)%[", at)
  if not level then
    return nil
  end
  local _, stop = text:find("]" .. level .. "]", at, true)
  return (stop or #text) + 1
end

--- Iterates over the words and marks of Lua source, without comments; a string comes as a quote.
function eval.tokens(text)
  local at = 1
  return function()
    while at <= #text do
      local c = text:sub(at, at)
      if c:find "%s" then
        at = at + 1
      elseif text:sub(at, at + 1) == "--" then
        at = skip_long(text, at + 2) or (text:find("\n", at, true) or #text) + 1
      elseif c == '"' or c == "'" then
        at = skip_string(text, at, c)
        return '"'
      elseif c == "[" and skip_long(text, at) then
        at = skip_long(text, at)
        return '"'
      else
        local word = text:match("^[%a_][%w_]*", at) or text:match("^%d[%w%.]*", at) or c
        at = at + #word
        return word
      end
    end
  end
end

-- The names of `local a <const>, b` from token i on. Those that are closed at the end cannot stay.
local function local_names(tokens, i, names)
  if tokens[i] == "function" then
    names[#names + 1] = tokens[i + 1]
    return
  end
  while tokens[i] and tokens[i]:find "^[%a_]" do
    local attribute = tokens[i + 1] == "<" and tokens[i + 2]
    if attribute ~= "close" then
      names[#names + 1] = tokens[i]
    end
    i = i + (attribute and 4 or 1)
    if tokens[i] ~= "," then
      return
    end
    i = i + 1
  end
end

-- The names of the locals at the top level of `text`, and a set of all words in it.
local function scan(text)
  local tokens, words, names, depth = {}, {}, {}, 0
  for token in eval.tokens(text) do
    tokens[#tokens + 1] = token
    words[token] = true
  end
  for i, token in ipairs(tokens) do
    if OPENS[token] then
      depth = depth + 1
    elseif CLOSES[token] then
      depth = depth - 1
    elseif token == "local" and depth == 0 then
      local_names(tokens, i + 1, names)
    end
  end
  return names, words
end

local function find_upvalue(f, name)
  for i = 1, 255 do
    local found = debug.getupvalue(f, i)
    if not found then
      return nil
    elseif found == name then
      return i
    end
  end
end

--- A session remembers the locals: kept[name] is a closure and the index of its upvalue.
function eval.session()
  return { kept = {}, count = 0 }
end

--- The value of a kept local.
function eval.kept(session, name)
  local kept = session.kept[name]
  if kept then
    return select(2, debug.getupvalue(kept[1], kept[2]))
  end
end

local function keep(session, names, closure)
  local values = table.pack(closure())
  for n, name in ipairs(names) do
    local i = find_upvalue(closure, name)
    if i then
      session.kept[name] = { closure, i }
    else -- a constant is no variable: its value gets one
      local value = values[n]
      session.kept[name] = { function() return value end, 1 }
    end
  end
end

local function join(session, f)
  for i = 1, 255 do
    local name = debug.getupvalue(f, i)
    if not name then
      return
    end
    local kept = session.kept[name]
    if kept then
      debug.upvaluejoin(f, i, kept[1], kept[2])
    end
  end
end

local function assemble(session, text, names, words, chunk)
  local old = {}
  for name in pairs(session.kept) do
    if words[name] then
      old[#old + 1] = name
    end
  end
  local before = #old > 0 and "local " .. table.concat(old, ", ") .. "; " or ""
  local after = #names > 0 and ("\n%s(function() return %s end)"):format(KEEP, table.concat(names, ", ")) or ""
  local outer, err = load(("%sreturn function(%s, ...) %s%s\nend"):format(before, KEEP, text, after), chunk, "t")
  if not outer then
    return nil, err
  end
  local f = outer()
  join(session, f)
  return function()
    return f(function(closure)
      keep(session, names, closure)
    end)
  end
end

--- Compiles an input as an expression or as statements.
--- @return function? f its call gives the values
--- @return string? err "incomplete" if more must follow, else the message
--- @return boolean? expression
function eval.compile(session, text)
  local chunk = ("=input %d"):format(session.count + 1)
  local names, words = scan(text)
  local expression = "return " .. text
  if load(expression, chunk, "t") then
    session.count = session.count + 1
    return assemble(session, expression, {}, words, chunk), nil, true
  end
  local plain, err = load(text, chunk, "t")
  if not plain then
    return nil, err:find "<eof>$" and "incomplete" or err
  end
  session.count = session.count + 1
  return assemble(session, text, names, words, chunk) or assemble(session, text, {}, words, chunk) or plain, nil, false
end

return eval
