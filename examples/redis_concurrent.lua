-- A client written for LuaSocket, unmodified and yet concurrent: Debian's lua-redis, ten connections that each wait for
-- one second, in one second. Starts a redis-server of its own, or uses the one on the port that is given.
--   rille examples/redis_concurrent.lua [PORT]
local rille = require "rille"
local net = require "rille.net"

-- Where Debian puts it.
package.path = package.path .. ";/usr/share/lua/5.3/?.lua;/usr/share/lua/5.1/?.lua"
local found, redis = pcall(require, "redis")
if not found then
  print "this example needs lua-redis (Debian: apt install lua-redis redis-server)"
  return
end

local port, pidfile = math.tointeger(arg[1]), nil
if not port then
  local l = net.listen("127.0.0.1", 0)
  port = l:address().port
  l:close()
  pidfile = os.tmpname()
  local command = "redis-server --port %d --save '' --dir /tmp --pidfile %s --daemonize yes"
  os.execute(command:format(port, pidfile) .. " >/dev/null 2>&1")
  rille.timeout(5, function()
    repeat
      local conn = rille.try(net.connect, "127.0.0.1", port)
      if conn then conn:close() end
      rille.sleep(0.02)
    until conn
  end)
end

local clients = {}
for i = 1, 10 do clients[i] = i end

local started = rille.now()
rille.map(clients, function(i)
  local client = redis.connect("127.0.0.1", port)
  client:incr "visitors"
  client:blpop("a list that stays empty " .. i, 1) -- the server answers after a second
  client:quit()
end)
local took = rille.now() - started

local client = redis.connect("127.0.0.1", port)
print(("%s clients waited for one second each"):format(client:get "visitors"))
print(("together it took %.1f s"):format(took))
client:quit()
if pidfile then
  os.execute(("kill $(cat %s)"):format(pidfile))
  os.remove(pidfile)
end
