-- Programs that are not ours talk to the HTTP server and the examples: curl, nghttp, h2load, ab, wrk, h2spec if it is there, and
-- Chromium, which opens the pages. Usage: rille http.lua [DIRECTORY for screenshots]
local rille = require "rille"
local http = require "rille.http"
local fs = require "rille.fs"

local passed, failed, missing = 0, 0, 0

local function check(name, f)
  local ok, err = pcall(rille.timeout, 60, f)
  if ok and err == "missing" then
    missing = missing + 1
    print("missing " .. name)
  elseif ok then
    passed = passed + 1
    print("passed  " .. name)
  else
    failed = failed + 1
    print("FAILED  " .. name .. ": " .. tostring(err))
  end
end

local function installed(program)
  return rille.process.run({ "command -v " .. program, shell = true }).code == 0
end

-- Runs a line of shell; its output must hold each of the patterns.
local function line(name, command, ...)
  local wanted = { ... }
  check(name, function()
    if not installed(command:match "^%S+") then return "missing" end
    local result = rille.process.run { "exec " .. command, shell = true, stderr = "stdout" }
    for _, pattern in ipairs(wanted) do
      if not result.stdout:find(pattern) then error(("no '%s' in: %s"):format(pattern, result.stdout), 0) end
    end
  end)
end

local directory = tostring(fs.temp_dir())
local cert, key = directory .. "/cert.pem", directory .. "/key.pem"
rille.process.run { "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
  "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", check = true }

-- Tools, against one handler, in the clear and over TLS.

local function handler(request)
  if request.path == "/large" then return ("x"):rep(1000000) end
  return request:text() .. "hello\n"
end

local function tools(server, tls)
  local url = server.url
  local name = tls and "https, " or "http, "
  local versions = tls and { ["--http1.1"] = "1.1", ["--http2"] = "2" }
    or { ["--http1.0"] = "1.1", ["--http1.1"] = "1.1", ["--http2"] = "1.1", ["--http2-prior-knowledge"] = "2" }
  for option, version in pairs(versions) do
    local curl = ("curl -ksS %s -w '%%{http_code} %%{http_version}' "):format(option)
    line(name .. "curl " .. option, curl .. url, "^hello\n200 " .. version)
    line(name .. "curl " .. option .. ", a body", curl .. "-d body " .. url, "^bodyhello\n200 " .. version)
    line(name .. "curl " .. option .. ", a large answer", curl .. "-o /dev/null " .. url .. "/large", "^200 " .. version)
  end
  line(name .. "nghttp", ("nghttp -ns %s/large %s/large"):format(url, url), "200 +976K")
  line(name .. "nghttp, a body", ("nghttp -d %s %s"):format(cert, url), "END CERTIFICATE.*hello")
  line(name .. "h2load", "h2load -n 20000 -c 20 -m 20 " .. url, "20000 succeeded, 0 failed, 0 errored", "20000 2xx")
  line(name .. "h2load, large", "h2load -n 200 -c 4 -m 10 " .. url .. "/large", "200 succeeded, 0 failed, 0 errored", "200 2xx")
  line(name .. "h2load, HTTP/1.1", "h2load --h1 -n 20000 -c 20 -m 4 " .. url, "20000 succeeded, 0 failed, 0 errored", "20000 2xx")
  line(name .. "ab", "ab -q -n 1000 -c 20 " .. url .. "/", "Complete requests: +1000\n", "Failed requests: +0\n")
  line(name .. "ab -k", "ab -q -k -n 20000 -c 20 " .. url .. "/", "Failed requests: +0\n", "Keep%-Alive requests: +20000\n")
  line(name .. "wrk", "wrk -t1 -c50 -d1 " .. url, "requests in [^\n]*\n[^S]*Requests/sec")
  line(name .. "h2spec", ("h2spec -h 127.0.0.1 -p %d%s"):format(server.port, tls and " -t -k" or ""),
    tls and "146 passed, 0 skipped, 0 failed" or "145 passed, 0 skipped, 1 failed") -- in the clear the preface tells HTTP/1 apart
end

for _, tls in ipairs { false, { cert = cert, key = key } } do
  local server <close> = http.serve { port = 0, handler = handler, tls = tls or nil }
  tools(server, tls)
end

-- Chromium, led through its DevTools protocol.

local Page = {}
Page.__index = Page

function Page:call(method, parameters)
  self.id = self.id + 1
  self.ws:send(require("rille.json").encode { id = self.id, method = method, params = parameters or require("rille.json").object {} })
  for text in self.ws:messages() do
    local message = require("rille.json").decode(text)
    if message.id == self.id then
      if message.error then error(message.error.message, 0) end
      return message.result
    end
  end
  error("the browser has gone", 0)
end

function Page:eval(code)
  local got = self:call("Runtime.evaluate", { expression = code, awaitPromise = true, returnByValue = true })
  if got.exceptionDetails then error(got.exceptionDetails.exception.description, 0) end
  return got.result.value
end

-- Waits until the expression is true.
function Page:wait(code)
  rille.timeout(20, function()
    while not self:eval(code) do rille.sleep(0.05) end
  end)
end

function Page:shot(name)
  if not arg[1] then return end
  local png = self:call("Page.captureScreenshot").data
  fs.write(("%s/%s.png"):format(arg[1], name), require("rille.text").base64_decode(png))
end

local function browse(f)
  if not installed "chromium" then return "missing" end
  local profile = directory .. "/profile"
  local browser <close> = rille.process.spawn { "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic",
    "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--user-data-dir=" .. profile,
    "--remote-debugging-port=0", "--ignore-certificate-errors", "--window-size=600,300", "about:blank", stdin = "null", stdout = "null", grace = 1 }
  local port
  for text in browser.stderr:lines() do
    port = text:match "DevTools listening on ws://127.0.0.1:(%d+)"
    if port then break end
  end
  rille.group(function(g)
    g:spawn(function()
      for _ in browser.stderr:chunks() do end
    end)
    f(function(url)
      local target = http.put(("http://127.0.0.1:%s/json/new?%s"):format(port, url)):json()
      local ws = http.ws_connect(target.webSocketDebuggerUrl, { limit = 64 * 1024 * 1024 })
      local page = setmetatable({ ws = ws, id = 0 }, Page)
      page:wait "document.readyState === 'complete' && location.protocol !== 'about:'"
      return page
    end)
    g:cancel()
  end)
end

local function example(name, f)
  check("chromium, " .. name, function()
    local port = math.random(20000, 29999)
    local _ <close> = rille.process.spawn { arg[-1], "examples/" .. name, tostring(port), stdin = "null", stdout = "null", stderr = "inherit" }
    local url = ("http://127.0.0.1:%d/"):format(port)
    rille.timeout(5, function()
      while not pcall(http.get, url) do rille.sleep(0.05) end
    end)
    return browse(function(open) f(open, url) end)
  end)
end

example("chat_ws.lua", function(open, url)
  local one, two = open(url), open(url)
  one:wait "ws.readyState === 1"
  two:wait "ws.readyState === 1"
  one:eval "ws.send('hello from one')"
  two:wait "document.getElementById('l').textContent.includes('hello from one')"
  two:eval "input.value = 'grüße'; document.getElementById('f').requestSubmit()"
  one:wait "document.getElementById('l').textContent.includes('grüße')"
  assert(one:eval "ws.extensions" == "permessage-deflate; server_no_context_takeover; client_no_context_takeover")
  one:eval "ws.send('z'.repeat(4000))" -- long enough to be packed
  two:wait "document.getElementById('l').textContent.includes('zzz')"
  two:shot "chat_ws"
  one:eval "ws.close(4000, 'enough')"
  two:wait "document.getElementById('l').textContent.includes('left')"
end)

example("sse_clock.lua", function(open, url)
  local page = open(url)
  page:wait "/^\\d\\d:\\d\\d:\\d\\d$/.test(document.getElementById('clock').textContent)"
  local first = page:eval "document.getElementById('clock').textContent"
  page:wait(("document.getElementById('clock').textContent !== '%s'"):format(first))
  page:shot "sse_clock"
end)

example("upload.lua", function(open, url)
  local page = open(url)
  page:shot "upload"
  page:eval [[
    const files = new DataTransfer()
    files.items.add(new File(["x".repeat(3000000)], "../large ö.bin"))
    files.items.add(new File(["small"], "small.txt"))
    document.querySelector("input").files = files.files
    document.querySelector("form").requestSubmit(document.querySelector("button"))
  ]]
  page:wait "document.body.textContent.includes('small.txt: 5 bytes')"
  page:shot "uploaded"
  assert(page:eval "document.body.textContent":find("3000000 bytes, kept as number 1", 1, true))
end)

check("chromium, HTTP/2 over TLS", function()
  local server <close> = http.serve { port = 0, tls = { cert = cert, key = key }, handler = function(request)
    if request.path == "/" then return http.html "<title>h2</title>" end
    return request.method == "POST" and request:text() or handler(request)
  end }
  return browse(function(open)
    local page = open(server.url)
    assert(page:eval "performance.getEntriesByType('navigation')[0].nextHopProtocol" == "h2")
    assert(page:eval "fetch('/x', { method: 'POST', body: 'y'.repeat(500000) }).then(r => r.text()).then(t => t.length)" == 500000)
    assert(page:eval "Promise.all(Array.from({ length: 50 }, () => fetch('/large').then(r => r.text()))).then(all => all.every(t => t.length === 1000000))")
  end)
end)

-- What docs/deployment.md says of systemd and nginx, with the ports changed.

local function block(language)
  return fs.read("docs/deployment.md"):match("\n```" .. language .. "\n(.-)\n```")
end

check("systemd, the unit", function()
  if not installed "systemd-analyze" then return "missing" end
  fs.write(directory .. "/app.service", (block("ini"):gsub("network%-online.target", "basic.target")))
  local result = rille.process.run { "systemd-analyze", "verify", directory .. "/app.service", stderr = "stdout" }
  assert(not result.stdout:find "app.service", result.stdout)
end)

check("nginx, the proxy", function()
  if not installed "nginx" then return "missing" end
  local server <close> = http.serve { port = 0, handler = function(request)
    if request.path == "/ws" then
      local ws <close> = http.websocket(request)
      for text in ws:messages() do ws:send(text) end
      return
    end
    if request.path == "/ticks" then
      return http.sse(function(send)
        send "one"
        rille.sleep(60)
      end)
    end
    return request.host .. " " .. (request.headers["x-forwarded-for"] or "") .. " " .. #request:text()
  end }
  local port = math.random(20000, 29999)
  local text = block("nginx"):gsub("127.0.0.1:8080", "127.0.0.1:" .. server.port):gsub("listen 80", "listen 127.0.0.1:" .. port)
  local head = ("daemon off; pid %s/pid; error_log stderr; events {} http { access_log off;"):format(directory)
  for _, kind in ipairs { "client_body", "proxy", "fastcgi", "uwsgi", "scgi" } do head = head .. ("%s_temp_path %s/%s;"):format(kind, directory, kind) end
  fs.chmod(directory, "755") -- its worker is another user
  fs.write(directory .. "/nginx.conf", head .. text .. "}")
  local nginx <close> = rille.process.spawn { "nginx", "-c", directory .. "/nginx.conf", stdin = "null", stdout = "inherit", stderr = "inherit", grace = 1 }
  local url = ("http://127.0.0.1:%d"):format(port)
  rille.timeout(5, function()
    while not pcall(http.get, url) do rille.sleep(0.05) end
  end)
  assert(http.post(url, { body = ("x"):rep(500000) }).body == ("127.0.0.1:%d 127.0.0.1 500000"):format(port))
  for _ = 1, 100 do assert(http.get(url):ok()) end
  local ws = http.ws_connect((url:gsub("^http", "ws")) .. "/ws", { headers = { Origin = url } })
  ws:send(("grüße "):rep(1000))
  assert(ws:recv() == ("grüße "):rep(1000))
  ws:close(4000, "enough")
  assert(ws.close_code == 4000)
  local ticks <close> = http.get(url .. "/ticks", { stream = true })
  assert(rille.timeout(2, ticks.body.read, ticks.body) == "data: one\n\n")
  nginx:kill()
end)

-- 5,000 slow connections to one server: curl may take no more than twice the time that it takes to another, meanwhile.

local function curl_time(url)
  local result = rille.process.run { "curl", "-sS", "-m", "10", "-o", "/dev/null", "-w", "%{time_total}", url }
  return tonumber(result.stdout)
end

local function median(list)
  table.sort(list)
  return list[#list // 2 + 1]
end

for name, options in pairs {
  headers = "-H -i 10 -x 24", bodies = "-B -i 10 -s 8192 -x 10", ranges = "-R -a 10 -b 3000",
  ["read"] = "-X -w 1 -y 20 -n 5 -z 32 -k 3 -p 3",
} do
  check("slowhttptest, slow " .. name, function()
    if not installed "slowhttptest" then return "missing" end
    local children, urls = {}, {}
    local _ <close> = setmetatable(children, { __close = function()
      for _, child in ipairs(children) do child:close() end
    end })
    for i = 1, 2 do
      children[i] = rille.process.spawn { 'ulimit -n 20000; exec "$1" examples/hello_http.lua "$2"', arg[-1], tostring(math.random(20000, 29999)),
        shell = true, stdin = "null", stderr = "inherit", grace = 1 }
      urls[i] = children[i].stdout:read("l"):match "http://%S+"
    end
    children[3] = rille.process.spawn { ("ulimit -n 20000; exec slowhttptest -c 5000 -r 1000 -l 20 %s -u %s/"):format(options, urls[1]),
      shell = true, stdin = "null", stdout = "null", stderr = "null", grace = 1 }
    rille.sleep(6)
    local attacked, quiet, ratios = {}, {}, {} -- in turns: what else the machine does concerns both
    for i = 1, 100 do
      attacked[i], quiet[i] = curl_time(urls[1]), curl_time(urls[2])
      ratios[i] = attacked[i] / quiet[i]
      rille.sleep(0.05)
    end
    local ratio = median(ratios)
    print(("        curl: %.2f ms under attack, %.2f ms otherwise: %.2f times"):format(median(attacked) * 1000, median(quiet) * 1000, ratio))
    assert(ratio < 2, "more than twice as long")
  end)
end

fs.remove(directory, { recursive = true })
print(("%d passed, %d failed, %d missing"):format(passed, failed, missing))
os.exit(failed == 0)
