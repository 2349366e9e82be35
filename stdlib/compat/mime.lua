--- LuaSocket's mime: Base64, quoted-printable, line ends and wrapping, as low-level functions and filters.
local ltn12 = require "rille.compat.ltn12"

local mime = { _VERSION = "MIME 1.0.3 (rille)", encodet = {}, decodet = {}, wrapt = {} }

local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local values = {}
for i = 1, 64 do values[digits:sub(i, i)] = i - 1 end

local function encode_group(group)
  local a, b, c = group:byte(1, 3)
  local n = a << 16 | (b or 0) << 8 | (c or 0)
  local out = {}
  for i = 0, 3 do
    local d = n >> (18 - 6 * i) & 63
    out[i + 1] = digits:sub(d + 1, d + 1)
  end
  if not b then out[3] = "=" end
  if not c then out[4] = "=" end
  return table.concat(out)
end

--- Base64 of a .. b as far as whole groups go, and the rest; with b nil, all of a, padded.
function mime.b64(a, b)
  if a == nil then return nil, nil end
  local text = a .. (b or "")
  local length = b and #text - #text % 3 or #text
  local out = text:sub(1, length):gsub("..?.?", encode_group)
  if b == nil and text == "" then return nil, nil end
  return out, text:sub(length + 1)
end

local function decode_group(group)
  local n, count = 0, 0
  for c in group:gmatch "." do
    if c ~= "=" then
      count = count + 1
      n = n << 6 | values[c]
    else
      n = n << 6
    end
  end
  return string.char(n >> 16 & 255, n >> 8 & 255, n & 255):sub(1, math.max(count - 1, 0))
end

function mime.unb64(a, b)
  if a == nil then return nil, nil end
  local text = (a .. (b or "")):gsub("[^A-Za-z0-9+/=]", "")
  local length = #text - #text % 4
  local out = text:sub(1, length):gsub("....", decode_group)
  if b == nil and out == "" then return nil, nil end
  return out, text:sub(length + 1)
end

local function quote(c) return ("=%02X"):format(c:byte()) end

local PLAIN = "^[!-<>-~]$"

-- What the byte at `at` becomes, and how many bytes that takes; nil: more must follow to tell.
local function qp_next(text, at, marker)
  local c = text:sub(at, at)
  local blank = c == " " or c == "\t"
  local ahead = blank and 3 or c == "\r" and 2 or 1
  if #text - at + 1 < ahead then return nil end
  if blank then
    if text:sub(at + 1, at + 2) == "\r\n" then return quote(c) .. marker, 3 end
    return c, 1
  end
  if c == "\r" and text:sub(at + 1, at + 1) == "\n" then return marker, 2 end
  return c:match(PLAIN) or quote(c), 1
end

-- At the end: blanks stand before no byte, and need a soft break.
local function qp_end(rest)
  if rest == "" then return "" end
  return rest:gsub("[^!-<>-~]", quote) .. "=\r\n"
end

-- Runs `step` over `a .. b`: the pieces, and what is left for more bytes.
local function convert(a, b, step, ...)
  local text, out, at = a .. (b or ""), {}, 1
  while at <= #text do
    local piece, taken = step(text, at, ...)
    if not piece then break end
    out[#out + 1] = piece
    at = at + taken
  end
  return table.concat(out), text:sub(at)
end

local function whole(text)
  if text == "" then return nil, nil end
  return text, nil
end

--- Quoted-printable of a .. b as far as it can be told, and the rest; with b nil, all of a. A line ends with CR LF, which
--- becomes `marker`.
function mime.qp(a, b, marker)
  if a == nil then return nil, nil end
  local out, rest = convert(a, b, qp_next, marker or "\r\n")
  if b == nil then return whole(out .. qp_end(rest)) end
  return out, rest
end

local function unqp_next(text, at)
  local c = text:sub(at, at)
  if c == "=" then
    if #text - at < 2 then return nil end
    local two = text:sub(at + 1, at + 2)
    if two == "\r\n" then return "", 3 end
    if two:match "^%x%x$" then return string.char(tonumber(two, 16)), 3 end
    return c .. two, 3
  elseif c == "\r" then
    if at == #text then return nil end
    if text:sub(at + 1, at + 1) == "\n" then return "\r\n", 2 end
    return "", 1
  end
  return c:match "[\t -~]" or "", 1
end

--- The way back. What quoted-printable cannot hold is left out.
function mime.unqp(a, b)
  if a == nil then return nil, nil end
  local out, rest = convert(a, b, unqp_next)
  if b == nil then return whole(out) end
  return out, rest
end

--- Breaks lines after `length` bytes; `left` is what is left of the current one.
function mime.wrp(left, text, length)
  length = length or 76
  if text == nil then
    if left < length then return "\r\n", length end
    return nil, length
  end
  local out = {}
  for c in text:gmatch "." do
    if c == "\n" then
      out[#out + 1] = "\r\n"
      left = length
    elseif c ~= "\r" then
      if left <= 0 then
        out[#out + 1] = "\r\n"
        left = length
      end
      out[#out + 1] = c
      left = left - 1
    end
  end
  return table.concat(out), left
end

--- The same for quoted-printable: soft breaks, none inside an escape.
function mime.qpwrp(left, text, length)
  length = length or 76
  if text == nil then
    if left < length then return "=\r\n", length end
    return nil, length
  end
  local out, at = {}, 1
  text = text:gsub("\r\n", "\n")
  while at <= #text do
    local piece = text:match("^=%x%x", at) or text:sub(at, at)
    at = at + #piece
    if piece == "\n" then
      out[#out + 1] = "\r\n"
      left = length
    else
      if left <= #piece then
        out[#out + 1] = "=\r\n"
        left = length
      end
      out[#out + 1] = piece
      left = left - #piece
    end
  end
  return table.concat(out), left
end

--- Any line end as `marker`.
function mime.eol(context, text, marker)
  if text == nil then return nil, 0 end
  marker = marker or "\r\n"
  local out = {}
  for c in text:gmatch "." do
    local n = c:byte()
    if n == 13 or n == 10 then
      if context == 13 and n == 10 or context == 10 and n == 13 then
        context = 0
      else
        out[#out + 1] = marker
        context = n
      end
    else
      out[#out + 1] = c
      context = 0
    end
  end
  return table.concat(out), context
end

--- Doubles a dot at the beginning of a line, for SMTP.
function mime.dot(context, text)
  if text == nil then return nil, 2 end
  local out = {}
  for c in text:gmatch "." do
    if c == "." and context == 2 then out[#out + 1] = "." end
    out[#out + 1] = c
    context = c == "\r" and 1 or (c == "\n" and context == 1) and 2 or 0
  end
  return table.concat(out), context
end

local function choose(list)
  return function(name, a, b)
    if type(name) ~= "string" then name, a, b = "default", name, a end
    local make = list[name]
    if not make then error("unknown key (" .. tostring(name) .. ")", 3) end
    return make(a, b)
  end
end

function mime.encodet.base64() return ltn12.filter.cycle(mime.b64, "") end
mime.encodet["quoted-printable"] = function(mode)
  return ltn12.filter.cycle(mime.qp, "", mode == "binary" and "=0D=0A" or "\r\n")
end
function mime.decodet.base64() return ltn12.filter.cycle(mime.unb64, "") end
mime.decodet["quoted-printable"] = function() return ltn12.filter.cycle(mime.unqp, "") end
function mime.wrapt.text(length) return ltn12.filter.cycle(mime.wrp, length or 76, length or 76) end
mime.wrapt.base64, mime.wrapt.default = mime.wrapt.text, mime.wrapt.text
mime.wrapt["quoted-printable"] = function() return ltn12.filter.cycle(mime.qpwrp, 76, 76) end

mime.encode, mime.decode, mime.wrap = choose(mime.encodet), choose(mime.decodet), choose(mime.wrapt)

function mime.normalize(marker) return ltn12.filter.cycle(mime.eol, 0, marker) end
function mime.stuff() return ltn12.filter.cycle(mime.dot, 2) end

return mime
