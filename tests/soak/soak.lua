-- The soak: mixed requests against a server of its own, until COUNT are answered or SECONDS are over. Tells what the
-- server's memory and descriptors do meanwhile, and fails if they grow. Usage: soak.lua COUNT SECONDS SERVER-COMMAND...
local rille = require "rille"
local http = require "rille.http"
local net = require "rille.net"
local process = require "rille.process"
local fs = require "rille.fs"

local COUNT, SECONDS = tonumber(arg[1]), tonumber(arg[2])
local TASKS = 32
local SLOPE_MAX = 1024 * 1024 -- bytes per million requests; of fewer, in all

local port
local done, goal, began = 0, 0, rille.now()
local by_kind = {}

local function over() return done >= goal or rille.now() - began > SECONDS end

local function count(kind, n)
  done, by_kind[kind] = done + n, (by_kind[kind] or 0) + n
end

-- One answer off the connection; its status and body.
local function answer(conn)
  local head = conn:read_until("\r\n\r\n") or error("the connection ended without an answer")
  local status, length = head:match "^HTTP/1.1 (%d+)", head:match "[Cc]ontent%-[Ll]ength: (%d+)"
  if length then return status, conn:read(tonumber(length)) end
  local pieces = {}
  while true do
    local size = tonumber(conn:read_until("\r\n"), 16)
    pieces[#pieces + 1] = size > 0 and conn:read(size) or nil
    conn:read(2)
    if size == 0 then return status, table.concat(pieces) end
  end
end

local function expect(conn, status, body)
  local got, text = answer(conn)
  if got ~= status then error(("expected %s, got %s: %s"):format(status, got, text)) end
  if body and text ~= body then error(("expected '%s', got '%s'"):format(body, text)) end
end

local function get(path, extra) return ("GET %s HTTP/1.1\r\nHost: soak\r\n%s\r\n"):format(path, extra or "") end

local function post(path, body, extra)
  return ("POST %s HTTP/1.1\r\nHost: soak\r\nContent-Length: %d\r\n%s\r\n%s"):format(path, #body, extra or "", body)
end

-- Asks `times` times on a connection that stays open.
local function repeated(times, request, status, body)
  return function(conn)
    for _ = 1, times do
      conn:write(request)
      expect(conn, status, body)
    end
    return times
  end
end

local item = '{"id":7,"items":[1,2,3,"four",{"five":5}]}'
local chunked = "POST /upload HTTP/1.1\r\nHost: soak\r\nTransfer-Encoding: chunked\r\n\r\n" ..
  ("400\r\n" .. ("u"):rep(1024) .. "\r\n"):rep(8) .. "0\r\n\r\n"

-- By kind: asks on an open connection, and gives how many requests that were.
local staying = {
  small = repeated(40, get("/", "Accept: */*\r\nUser-Agent: soak\r\n"), "200", "Hello, World!"),
  pipelined = function(conn)
    for _ = 1, 10 do
      conn:write(get("/"):rep(16))
      for _ = 1, 16 do expect(conn, "200", "Hello, World!") end
    end
    return 160
  end,
  file = repeated(10, get "/files/page.html", "200"),
  json = repeated(10, post("/json", item, "Content-Type: application/json\r\nX-Name: soak\r\n"), "200"),
  bad_json = repeated(2, post("/json", "{"), "400"),
  upload = repeated(4, chunked, "200", "8192"),
  expected = function(conn)
    conn:write "POST /upload HTTP/1.1\r\nHost: soak\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    assert(conn:read_until("\r\n\r\n"):find "^HTTP/1.1 100")
    conn:write "12345"
    expect(conn, "200", "5")
    return 1
  end,
  unread = repeated(4, post("/ignore", ("i"):rep(4000)), "200", "not read"),
  stream = repeated(4, get "/stream", "200"),
  slow = repeated(1, get "/slow", "200", "late"),
  missing = repeated(4, get "/nothing", "404"),
  failing = repeated(4, get "/error", "500", "failed"),
  refused = repeated(4, get "/refuse", "422"),
}

-- The same, and the connection is over.
local function send(request)
  return function(conn)
    conn:write(request)
    return 1
  end
end

local ending = {
  closing = repeated(1, get("/", "Connection: close\r\n"), "200", "Hello, World!"),
  malformed = repeated(1, "GET / HTTP/1.1\r\nHost : soak\r\n\r\n", "400"),
  gone_between = function() return 0 end,
  gone_in_head = send "GET / HTTP/1.1\r\nHo",
  gone_in_body = send(chunked:sub(1, 3000)),
  gone_while_answered = send(get "/slow"),
  gone_in_answer = function(conn)
    conn:write(get "/large")
    conn:read(1000)
    return 1
  end,
}

local function websocket()
  local socket <close> = http.ws_connect(("ws://127.0.0.1:%d/echo"):format(port))
  for i = 1, 8 do
    socket:send("message " .. i)
    assert(socket:recv() == "message " .. i)
  end
  return 1
end

local function keys(of)
  local list = {}
  for name in pairs(of) do list[#list + 1] = name end
  table.sort(list)
  return list
end

local stays, ends = keys(staying), keys(ending)

local function ask(kinds, name, conn) count(name, kinds[name](conn)) end

-- Connection after connection: some requests that leave it open, and one that does not.
local function client()
  while not over() do
    local conn <close> = net.connect("127.0.0.1", port)
    conn:set { nodelay = true }
    for _ = 1, 4 do ask(staying, stays[math.random(#stays)], conn) end
    ask(ending, ends[math.random(#ends)], conn)
    if math.random(100) == 1 then count("websocket", websocket()) end
  end
end

-- HTTP/2 by h2load, where it is installed.
local function http2()
  local url = ("http://127.0.0.1:%d/"):format(port)
  while not over() do
    local ok, result = pcall(process.run, { "h2load", "-n2000", "-c4", "-m10", url, url .. "stream", stdout = "pipe" })
    if not ok then
      if result.code ~= "ENOENT" then error(result) end
      print "no h2load: HTTP/2 is left out"
      return
    end
    local succeeded = tonumber(result.stdout:match "(%d+) succeeded")
    if succeeded ~= 2000 then error("h2load:\n" .. result.stdout) end
    count("http2", succeeded)
    rille.sleep(1)
  end
end

-- What the server holds, when it has collected its garbage.
local function look(pid)
  rille.sleep(1.5) -- clients that went are noticed
  local conn <close> = net.connect("127.0.0.1", port)
  conn:write(get("/collect", "Connection: close\r\n"))
  local _, lua = answer(conn)
  conn:read() -- its end: the server has closed it
  local pages = fs.read(("/proc/%d/statm"):format(pid)):match "^%d+ (%d+)"
  local files = 0
  for _ in fs.list(("/proc/%d/fd"):format(pid)) do files = files + 1 end
  return { done = done, memory = tonumber(pages) * 4096, lua = tonumber(lua), files = files, at = rille.now() - began }
end

local function tell(l)
  print(("%9d requests in %5.0f s: resident %6.2f MiB, Lua %5.2f MiB, %d descriptors"):format(l.done, l.at,
    l.memory / 2 ^ 20, l.lua / 2 ^ 20, l.files))
end

-- Bytes per million requests, by least squares over the looks after the first fifth, when pools have filled.
local function slope(looks)
  local n, sx, sy, sxx, sxy = 0, 0, 0, 0, 0
  for _, l in ipairs(looks) do
    if l.done >= looks[#looks].done * 0.2 then
      local x, y = l.done / 1e6, l.memory
      n, sx, sy, sxx, sxy = n + 1, sx + x, sy + y, sxx + x * x, sxy + x * y
    end
  end
  return (n * sxy - sx * sy) / (n * sxx - sx * sx)
end

local function load_until(target)
  goal = math.min(target, COUNT)
  rille.group(function(g)
    for _ = 1, TASKS do g:spawn(client) end
    g:spawn(http2)
  end)
end

-- Starts the server, loads it, and tells; whether it stayed as it was.
local function soak()
  local dir, guard <close> = fs.temp_dir()
  fs.write(dir .. "/page.html", ("<p>a page of the soak</p>\n"):rep(300))
  local command = table.move(arg, 3, #arg, 1, { stdout = "pipe" })
  command[#command + 1] = dir
  local server <close> = process.spawn(command)
  port = tonumber(server.stdout:read "l")

  load_until(50000) -- what is made once, is made
  local looks = { look(server.pid) }
  tell(looks[1])
  while done < COUNT and rille.now() - began < SECONDS do
    load_until(done + math.max(COUNT // 20, 1))
    looks[#looks + 1] = look(server.pid)
    tell(looks[#looks])
  end

  for _ = 1, 5 do -- the last connections may take a moment to close
    if looks[#looks].files == looks[1].files then break end
    looks[#looks] = look(server.pid)
  end

  for _, name in ipairs(keys(by_kind)) do io.write(("%s %d  "):format(name, by_kind[name])) end
  local grown, left = slope(looks), looks[#looks].files - looks[1].files
  print(("\n%d requests in %.0f s: %+.2f MiB per million, %+d descriptors"):format(done, rille.now() - began,
    grown / 2 ^ 20, left))
  local millions = done / 1e6
  return grown * math.min(millions, 1) <= SLOPE_MAX and left == 0
end

local held = soak() -- behind it the server is gone
print(held and "soak: passed" or "soak: failed: the server grows")
os.exit(held)
