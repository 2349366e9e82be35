-- Regular expressions: PCRE2 with its JIT. Matching is native; what calls back into Lua is here.
local native = require "rille.native.regex"

local regex = {}

--- A compiled expression. Groups that took no part in a match are `false`.
--- @class rille.Regex
local Regex = native.methods

--- Compiles a Perl-compatible pattern.
--- Flags: `i` ignore case, `m` ^ and $ at every line, `s` dot takes newlines, `x` free spacing, `u` UTF-8 (subjects must be
--- valid), `U` ungreedy, `a` anchored, `n` plain parentheses do not capture.
--- @async
--- @param pattern string
--- @param flags? string
--- @return rille.Regex
--- @raise INVALID with the place in the pattern
function regex.compile(pattern, flags)
  return native.compile(pattern, flags)
end

--- @class rille.Regex
--- @field find fun(self, subject: string, init?: integer): integer?, integer?, ... As string.find: first, last, groups.
--- @field match fun(self, subject: string, init?: integer): string?, ... As string.match: the groups, or the whole match.
--- @field groups fun(self, subject: string, init?: integer): table? By number (0: the whole match) and by name.
--- @field gmatch fun(self, subject: string, init?: integer): fun(): ... As string.gmatch.
--- @field gfind fun(self, subject: string, init?: integer): fun(): ... Every match as find returns it.

local function replacer(with)
  local kind = type(with)
  if kind ~= "function" and kind ~= "table" then
    error("bad argument #2 to 'gsub' (string/function/table expected, got " .. kind .. ")", 3)
  end
  return function(out, whole, ...)
    local first = ...
    if select("#", ...) == 0 then first = whole end
    local value
    if kind == "table" then
      value = with[first]
    elseif select("#", ...) == 0 then
      value = with(whole)
    else
      value = with(...)
    end
    if not value then
      value = whole
    elseif type(value) ~= "string" and type(value) ~= "number" then
      error("invalid replacement value (a " .. type(value) .. ")", 3)
    end
    out[#out + 1] = value
  end
end

local function replace(add, subject, out, past, first, last, ...)
  out[#out + 1] = subject:sub(past, first - 1)
  add(out, subject:sub(first, last), ...)
  return last + 1
end

-- The subject as a string, and the most matches.
local function checked(subject, max, call)
  if type(subject) == "number" then subject = tostring(subject) end
  if type(subject) ~= "string" then
    error(("bad argument #1 to '%s' (string expected, got %s)"):format(call, type(subject)), 3)
  end
  if max ~= nil and type(max) ~= "number" then
    error(("bad argument #%d to '%s' (number expected, got %s)"):format(call == "gsub" and 3 or 2, call, type(max)), 3)
  end
  return subject, max or math.huge
end

--- As string.gsub: `with` is a string with `%0` to `%9`, a table, or a function, which may wait.
--- @async
--- @param subject string
--- @param with string|number|table|function
--- @param max? integer
--- @return string, integer matches
function Regex:gsub(subject, with, max)
  if type(with) == "string" or type(with) == "number" then
    return native.gsub_text(self, subject, nil, tostring(with), max)
  end
  local add, out, past, count = replacer(with), {}, 1, 0
  subject, max = checked(subject, max, "gsub")
  if max <= 0 then return subject, 0 end
  local step = self:gfind(subject)
  local function take(first, ...)
    if not first then return false end
    past = replace(add, subject, out, past, first, ...)
    count = count + 1
    return count < max
  end
  while take(step()) do end
  if count == 0 then return subject, 0 end
  out[#out + 1] = subject:sub(past)
  return table.concat(out), count
end

--- The pieces between the matches; an empty match splits between two characters.
--- @async
--- @param subject string
--- @param max? integer pieces at most; the last keeps the rest
--- @return string[]
function Regex:split(subject, max)
  local pieces, past = {}, 1
  subject, max = checked(subject, max, "split")
  for first, last in self:gfind(subject) do
    if #pieces + 1 >= max then break end
    local empty = last < first
    if not empty or (first > 1 and first <= #subject) then
      pieces[#pieces + 1] = subject:sub(past, first - 1)
      past = last + 1
    end
  end
  pieces[#pieces + 1] = subject:sub(past)
  return pieces
end

--- The text with every special character escaped, so that it matches itself.
--- @param text string
--- @return string
function regex.escape(text)
  if type(text) ~= "string" then error("regex.escape: string expected, got " .. type(text), 2) end
  return (text:gsub("[^%w_\128-\255]", function(c)
    return c == "\0" and "\\x00" or "\\" .. c
  end))
end

return regex
