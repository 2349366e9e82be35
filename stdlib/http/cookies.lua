--- Cookies: the value of Set-Cookie, and signed values.
local native = require "rille.native.http"
local check = require("rille.options").check

local cookies = {}

--- @class rille.http.CookieOptions
--- @field path? string "/"
--- @field domain? string
--- @field max_age? number seconds
--- @field expires? integer seconds since 1970
--- @field secure? boolean
--- @field http_only? boolean true
--- @field same_site? string|false "Lax"

local known = {
  path = "string", domain = "string", max_age = "number", expires = "number", secure = "boolean",
  http_only = "boolean", same_site = "any",
}

--- A Set-Cookie value. HttpOnly and SameSite=Lax unless told otherwise.
--- @param name string
--- @param value string
--- @param options rille.http.CookieOptions?
--- @return string
function cookies.cookie(name, value, options)
  check(options, known, "http.cookie")
  options = options or {}
  if not name:find "^[!#$%%&'*+%-.^_`|~%w]+$" then error(("'%s' is no cookie name"):format(name), 2) end
  if value:find '[%c "%,;\\\128-\255]' then error(("the value of cookie '%s' needs escaping"):format(name), 2) end
  local parts = { name .. "=" .. value }
  local function add(key, text)
    text = tostring(text)
    if text:find "[%c;]" then error(("cookie '%s': bad %s"):format(name, key), 3) end
    parts[#parts + 1] = key .. "=" .. text
  end
  add("Path", options.path or "/")
  if options.domain then add("Domain", options.domain) end
  if options.max_age then add("Max-Age", math.floor(options.max_age)) end
  if options.expires then add("Expires", native.date(options.expires)) end
  if options.same_site ~= false then add("SameSite", options.same_site or "Lax") end
  if options.secure then parts[#parts + 1] = "Secure" end
  if options.http_only ~= false then parts[#parts + 1] = "HttpOnly" end
  return table.concat(parts, "; ")
end

local function seal(value, secret)
  return require("rille.hash").hmac("sha256", secret, value)
end

--- A value with its signature, safe in a cookie: the value is readable by the client, not changeable.
--- @param value string
--- @param secret string at least 16 bytes
--- @return string
function cookies.sign(value, secret)
  if #secret < 16 then error("the secret is shorter than 16 bytes", 2) end
  local text = require("rille.text").base64url_encode(value)
  return text .. "." .. seal(text, secret)
end

--- The value of a signed one; nil if the signature does not fit.
--- @param signed string?
--- @param secret string
--- @return string?
function cookies.unsign(signed, secret)
  local text, seen = (signed or ""):match "^([%w_%-]*)%.(%x+)$"
  if not text or not require("rille.hash").equal(seal(text, secret), seen) then return nil end
  return require("rille.text").base64url_decode(text)
end

return cookies
