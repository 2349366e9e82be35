--- LuaSocket's socket.url: taking URLs apart and putting them together (RFC 3986).
local url = { _VERSION = "URL 1.0.3 (rille)" }

local function to_hex(c) return ("%%%02x"):format(c:byte()) end

--- Every byte that is no letter or digit as %xx.
function url.escape(s) return (s:gsub("([^A-Za-z0-9_])", to_hex)) end

function url.unescape(s)
  return (s:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function escape_segment(s) return (s:gsub("([^A-Za-z0-9%-_.!~*'():@&=+$,])", to_hex)) end

--- The parts of `text`: scheme, authority, userinfo, user, password, host, port, path, params, query, fragment; those
--- that
--- are missing come from `default`.
function url.parse(text, default)
  local parts = {}
  for name, value in pairs(default or parts) do parts[name] = value end
  if not text or text == "" then return nil, "invalid url" end
  local function cut(pattern, name)
    text = text:gsub(pattern, function(value)
      parts[name] = value
      return ""
    end, 1)
  end
  cut("#(.*)$", "fragment")
  cut("^([%w][%w%+%-%.]*)%:", "scheme")
  cut("^//([^/%?]*)", "authority")
  cut("%?(.*)$", "query")
  cut("%;(.*)$", "params")
  if text ~= "" then parts.path = text end
  local authority = parts.authority
  if not authority then return parts end
  authority = authority:gsub("^([^@]*)@", function(value)
    parts.userinfo = value
    return ""
  end)
  authority = authority:gsub(":([^:%]]*)$", function(value)
    parts.port = value
    return ""
  end)
  if authority ~= "" then parts.host = authority:match "^%[(.+)%]$" or authority end
  if parts.userinfo then
    parts.user = parts.userinfo:gsub(":([^:]*)$", function(value)
      parts.password = value
      return ""
    end)
  end
  return parts
end

--- The segments of a path, unescaped, with `is_absolute` and `is_directory`.
function url.parse_path(path)
  local segments = {}
  path = path or ""
  for segment in path:gmatch "([^/]+)" do segments[#segments + 1] = url.unescape(segment) end
  if path:sub(1, 1) == "/" then segments.is_absolute = 1 end
  if path:sub(-1) == "/" then segments.is_directory = 1 end
  return segments
end

function url.build_path(segments, unsafe)
  local out = {}
  for i, segment in ipairs(segments) do out[i] = unsafe and segment or escape_segment(segment) end
  local path = table.concat(out, "/")
  if segments.is_directory and #segments > 0 then path = path .. "/" end
  if segments.is_absolute then path = "/" .. path end
  return path
end

function url.build(parts)
  local text = parts.path or ""
  if parts.params then text = text .. ";" .. parts.params end
  if parts.query then text = text .. "?" .. parts.query end
  local authority = parts.authority
  if parts.host then
    authority = parts.host:find(":", 1, true) and "[" .. parts.host .. "]" or parts.host
    if parts.port then authority = authority .. ":" .. tostring(parts.port) end
    local userinfo = parts.userinfo
    if parts.user then
      userinfo = parts.password and parts.user .. ":" .. parts.password or parts.user
    end
    if userinfo then authority = userinfo .. "@" .. authority end
  end
  if authority then
    if text ~= "" and text:sub(1, 1) ~= "/" and text:sub(1, 1) ~= "?" then text = "/" .. text end
    text = "//" .. authority .. text
  end
  if parts.scheme then text = parts.scheme .. ":" .. text end
  if parts.fragment then text = text .. "#" .. parts.fragment end
  return text
end

-- RFC 3986, 5.2.4
local function remove_dots(path)
  local out, absolute = {}, path:sub(1, 1) == "/"
  local directory = path:find "/$" or path:find "/%.%.?$" or path == "." or path == ".."
  for segment in path:gmatch "[^/]+" do
    if segment == ".." then
      out[#out] = nil
    elseif segment ~= "." then
      out[#out + 1] = segment
    end
  end
  local text = (absolute and "/" or "") .. table.concat(out, "/")
  return directory and #out > 0 and text .. "/" or text
end

--- `relative`, a URL or what url.parse gives, seen from `base`.
function url.absolute(base, relative)
  local from = type(base) == "table" and base or url.parse(base) or {}
  local to = type(relative) == "table" and relative or url.parse(relative)
  if not to then return type(base) == "table" and url.build(base) or base end
  if to.scheme then return type(relative) == "table" and url.build(relative) or relative end
  local result = {}
  for name, value in pairs(to) do result[name] = value end
  result.scheme = from.scheme
  if not to.authority then
    for _, name in ipairs { "authority", "userinfo", "user", "password", "host", "port" } do
      result[name] = from[name]
    end
    if not to.path then
      result.path = from.path
      if not to.params then
        result.params = from.params
        result.query = to.query or from.query
      end
    elseif to.path:sub(1, 1) == "/" then
      result.path = remove_dots(to.path)
    else
      result.path = remove_dots((from.path or "/"):gsub("[^/]*$", "") .. to.path)
    end
  end
  return url.build(result)
end

return url
