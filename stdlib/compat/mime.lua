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
  local whole = b and #text - #text % 3 or #text
  local out = text:sub(1, whole):gsub("..?.?", encode_group)
  if b == nil and text == "" then return nil, nil end
  return out, text:sub(whole + 1)
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
  local whole = #text - #text % 4
  if b == nil and text == "" then return nil, nil end
  return (text:sub(1, whole):gsub("....", decode_group)), text:sub(whole + 1)
end

local function quote(c) return ("=%02X"):format(c:byte()) end

function mime.qp(a, b, marker)
  if a == nil then return nil, nil end
  local text = a .. (b or "")
  local out = text:gsub("\r\n", "\n"):gsub("[^\n\t -<>-~]", quote):gsub("[ \t]\n", function(s)
    return quote(s:sub(1, 1)) .. "\n"
  end)
  out = out:gsub("\n", marker or "\r\n")
  if b == nil and text == "" then return nil, nil end
  return out, ""
end

function mime.unqp(a, b)
  if a == nil then return nil, nil end
  local text = a .. (b or "")
  local keep = b and (text:match "=%x?$" or text:match "=\r$") or ""
  text = text:sub(1, #text - #keep)
  if b == nil and text == "" then return nil, nil end
  local out = text:gsub("=\r?\n", ""):gsub("=(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  return out, keep
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
