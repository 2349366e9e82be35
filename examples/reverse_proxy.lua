-- A reverse proxy: requests go on to one of several servers in turn, bodies stream through, dead ones are passed over.
-- `reverse_proxy.lua PORT URL...`; without arguments it starts two servers of its own, asks through the proxy, and ends.
local http = require "rille.http"

-- Fields that are between two neighbours only.
local hop = {}
for name in ("connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade host "
  .. "content-length"):gmatch "%S+" do
  hop[name] = true
end

local function onwards(headers)
  local kept, named = {}, {}
  for name in (headers.connection or ""):lower():gmatch "[^,%s]+" do named[name] = true end
  for name, value in pairs(headers) do
    if not hop[name] and not named[name] then kept[name] = value end
  end
  return kept
end

local function proxy_to(targets)
  local turn = 0
  return function(request)
    local headers = onwards(request.headers)
    headers["x-forwarded-for"] = request.peer:match "^(.*):%d+$"
    headers["x-forwarded-host"] = request.host
    local has_body = request.headers["content-length"] or request.headers["transfer-encoding"]
      or request.version == "2" and request.method ~= "GET" and request.method ~= "HEAD"
    for _ = 1, has_body and 1 or #targets do -- a body can be sent only once
      turn = turn % #targets + 1
      local ok, answer = pcall(http.fetch, {
        url = targets[turn] .. request.target, method = request.method, headers = headers, redirects = 0,
        body = has_body and request.body or nil, stream = true, decompress = false, connect_timeout = 2,
      })
      if ok then
        local fields = onwards(answer.headers)
        fields["set-cookie"] = answer.set_cookie
        return { status = answer.status, headers = fields, body = answer.body }
      end
      io.stderr:write("proxy: ", tostring(answer), "\n")
    end
    return { status = 502, body = "Bad Gateway\n" }
  end
end

if arg[2] then
  local server = http.serve { port = tonumber(arg[1]), handler = proxy_to { table.unpack(arg, 2) } }
  print("serving on " .. server.url)
  return
end

local function start(name)
  return http.serve { port = 0, handler = function(request)
    return ("%s: %s %s, %d bytes, for %s\n"):format(name, request.method, request.path, #request:text(),
      request.headers["x-forwarded-for"])
  end }
end

local one, two = start "one", start "two"
local server = http.serve { port = 0, handler = proxy_to { one.url, two.url } }
print "through the proxy:"
io.write(http.get(server.url .. "/a").body)
io.write(http.get(server.url .. "/b").body)
io.write(http.post(server.url .. "/c", { body = ("x"):rep(1000000) }).body)
two:stop()
for _ = 1, 2 do io.write(http.get(server.url .. "/d").body) end
one:stop()
print(http.get(server.url).status)
server:stop()
