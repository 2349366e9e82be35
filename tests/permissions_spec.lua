-- Permissions: each door with and without them, and the ways around them. The program runs anew for each set of
-- options; what it is to try is Lua code that gets `dir`, a directory with `in` (mostly permitted) and `out` (not).
local rille = require "rille"
local fs, http, net, process = rille.fs, rille.http, rille.net, rille.process

local program = fs.realpath(arg[-1])

-- What a try gave: its first result as text, or the code of its error, or its message.
local PRELUDE = [[
local rille = require "rille"
local dir, port = ...
local fs, net, http, dns, process, worker = rille.fs, rille.net, rille.http, rille.dns, rille.process, rille.worker
local function try(f, ...)
  local ok, value = pcall(f, ...)
  if not ok and type(value) == "table" and value.code then value = value.code end
  io.stdout:write((tostring(value):gsub("\n.*", "")), "\n")
  return value
end
]]

local dir, guard

local function run_file(options, file, ...)
  local command = { program }
  for option in options:gsub("@", dir):gmatch "%S+" do command[#command + 1] = option end
  command[#command + 1] = file
  for i = 1, select("#", ...) do command[#command + 1] = tostring((select(i, ...))) end
  command.stderr, command.cwd, command.timeout = "stdout", dir, 20
  local result = process.run(command)
  return result.stdout, result.code
end

-- The lines that the code wrote.
local function tries(options, code, ...)
  local file = dir .. "/app/main.lua"
  fs.write(file, PRELUDE .. code)
  local lines = {}
  for line in run_file(options, file, dir, ...):gmatch "[^\n]+" do lines[#lines + 1] = line end
  return lines
end

-- Tries each expression; the values they gave.
local function outcomes(options, expressions, ...)
  local code = {}
  for _, expression in ipairs(expressions) do
    code[#code + 1] = ("try(function() return %s end)\n"):format(expression)
  end
  return tries(options, table.concat(code), ...)
end

local function all_denied(options, expressions, ...)
  local got = outcomes(options, expressions, ...)
  for i, expression in ipairs(expressions) do
    assert.equal("DENIED", got[i], expression)
  end
  assert.equal(#expressions, #got)
end

local function none_denied(options, expressions, ...)
  local got = outcomes(options, expressions, ...)
  for i, expression in ipairs(expressions) do
    assert.not_equal("DENIED", got[i], expression)
    assert.is_string(got[i], expression)
  end
end

before_each(function()
  dir, guard = fs.temp_dir { prefix = "rille-permit-" }
  dir = fs.realpath(dir)
  for _, name in ipairs { "in", "in/sub", "out", "app" } do fs.mkdir(dir .. "/" .. name) end
  fs.write(dir .. "/in/file", "inside")
  fs.write(dir .. "/out/file", "outside")
  fs.symlink("../out", dir .. "/in/link")
  fs.symlink("../out/file", dir .. "/in/filelink")
end)

after_each(function() guard:close() end)

describe("options of permissions", function()
  it("allow everything without any", function()
    none_denied("", { "fs.read(dir .. '/out/file')", "os.getenv 'HOME' or 'none'", "process.run { 'true' }.code" })
  end)

  it("deny all that is not allowed once one allows something", function()
    all_denied("--allow-env=HOME", { "fs.read(dir .. '/in/file')", "net.listen('127.0.0.1', 0)",
      "process.run { 'true' }", "os.getenv 'PATH'", "fs.write(dir .. '/in/new', '')" })
  end)

  it("deny nothing else if all of them deny", function()
    local got = outcomes("--deny-read=@/out", { "fs.read(dir .. '/in/file')", "fs.read(dir .. '/out/file')" })
    assert.same({ "inside", "DENIED" }, got)
  end)

  it("let denial beat allowance, in any order", function()
    local code = { "fs.read(dir .. '/in/file')", "fs.read(dir .. '/in/sub/file')" }
    fs.write(dir .. "/in/sub/file", "deeper")
    assert.same({ "inside", "DENIED" }, outcomes("--allow-read=@ --deny-read=@/in/sub", code))
    assert.same({ "inside", "DENIED" }, outcomes("--deny-read=@/in/sub --allow-read=@", code))
  end)

  it("name what was refused, and the option that would allow it", function()
    local got = tries("--allow-net", [[
      local ok, err = pcall(fs.read, dir .. "/in/file")
      print(err.code, err.op, err.path)
      print(err.message)
    ]])
    assert.equal(("DENIED\topen\t%s/in/file"):format(dir), got[1])
    assert.equal(("open '%s/in/file': not permitted: it needs --allow-read=%s/in/file"):format(dir, dir), got[2])
  end)

  it("are refused with a sentence and status 2 if they mean nothing", function()
    for _, option in ipairs { "--allow-net=1.2.3", "--allow-net=a:b", "--allow-what", "--deny-read=", "--allow-native=x" } do
      local output, status = run_file(option, "/dev/null")
      assert.equal(2, status)
      assert.matches("^rille: permission", output)
    end
  end)

  it("can be asked for", function()
    local got = outcomes("--allow-read=@/in --allow-net=example.com:80", {
      "rille.permitted('read', dir .. '/in/file')", "rille.permitted('read', dir .. '/in/link/file')",
      "rille.permitted('net', 'example.com:80')", "rille.permitted('net', '127.0.0.1:80')",
      "rille.permitted('native')", "rille.permitted('env', 'HOME')", "rille.permitted('run', 'sh')" })
    assert.same({ "true", "false", "true", "false", "false", "false", "false" }, got)
  end)
end)

describe("permission for the network", function()
  local listener, port

  before_each(function()
    listener = net.listen("127.0.0.1", 0)
    port = listener:address().port
  end)
  after_each(function() listener:close() end)

  it("bounds connecting, listening, datagrams, names and Unix sockets", function()
    local doors = { "net.connect('127.0.0.1', port)", "net.connect('localhost', port)", "net.listen('127.0.0.1', 0)",
      "net.listen('*', 0)", "net.udp { host = '127.0.0.1' }", "net.udp():send('x', '127.0.0.1', port)",
      "net.udp():connect('127.0.0.1', port)", "net.listen { path = dir .. '/in/socket' }",
      "http.get('http://127.0.0.1:' .. port .. '/', { connect_timeout = 1 })", "dns.lookup 'example.com'",
      "dns.reverse '127.0.0.1'", "http.serve { host = '127.0.0.1', port = 0, handler = print }",
      "net.connect { path = dir .. '/none' }" }
    all_denied("--allow-env", doors, port)
    all_denied("--deny-net", doors, port)
  end)

  it("is for an address, a network or a port", function()
    local doors = { "net.connect('127.0.0.1', port):close()", "net.connect('localhost', port):close()",
      "net.connect('::ffff:127.0.0.1', port):close()", "net.connect('0.0.0.0', port):close()" }
    for _, rule in ipairs { "127.0.0.1", "127.0.0.0/8", "localhost:" .. port, ":" .. port, "127.0.0.1:" .. port } do
      none_denied("--allow-net=" .. rule, doors, port)
    end
    for _, rule in ipairs { "127.0.0.1:1", "10.0.0.0/8", "[::2]", "example.com", ":1" } do
      all_denied("--allow-net=" .. rule, doors, port)
    end
  end)

  it("denies an address however it is written", function()
    for _, rule in ipairs { "127.0.0.1", "127.0.0.0/8", "[::ffff:127.0.0.1]" } do
      -- ::1, too, is localhost on many machines
      all_denied("--deny-net=[::1]," .. rule, { "net.connect('127.0.0.1', port)", "net.connect('localhost', port)",
        "net.connect('::ffff:127.0.0.1', port)", "net.connect('0.0.0.0', port)",
        "http.get('http://127.1:' .. port)", "http.get('http://2130706433:' .. port)",
        "http.get('http://[::ffff:7f00:1]:' .. port)", "net.listen('0.0.0.0', 0)" }, port)
    end
  end)

  it("lets a name in only for its own connection", function()
    local got = outcomes("--allow-net=localhost.:" .. port .. ",other.example", {
      "net.connect('127.0.0.1', port)", "dns.lookup 'secret.example'" }, port)
    assert.same({ "DENIED", "DENIED" }, got)
  end)

  it("is checked at each redirect, and for proxies", function()
    local inner <close> = http.serve { host = "127.0.0.2", port = 0, handler = function() return "secret" end }
    local outer <close> = http.serve { host = "127.0.0.1", port = 0, handler = function(request)
      if request.path == "/away" then return http.redirect(("http://127.0.0.2:%d/"):format(inner.port)) end
      return "public"
    end }
    local code = { ("http.get('http://127.0.0.1:%d/').body"):format(outer.port),
      ("http.get('http://127.0.0.1:%d/away').body"):format(outer.port),
      ("http.get('http://127.0.0.1:%d/', { proxy = 'http://127.0.0.2:%d' }).body"):format(outer.port, inner.port),
      ("http.get('http://127.0.0.2:%d/', { proxy = 'http://127.0.0.1:%d' }).body"):format(inner.port, outer.port) }
    assert.same({ "public", "secret", "secret", "public" }, outcomes("", code))
    assert.same({ "public", "DENIED", "DENIED", "DENIED" }, outcomes("--deny-net=127.0.0.2", code))
    assert.same({ "public", "DENIED", "DENIED", "DENIED" }, outcomes("--allow-net=127.0.0.1:" .. outer.port, code))
  end)

  it("is given for Unix sockets by path, or by permission to read and write there", function()
    local code = [[
      local l = try(net.listen, { path = dir .. "/in/socket" })
      try(net.connect, { path = dir .. "/in/socket" })
      if type(l) == "userdata" then print(l:address().path == dir .. "/in/socket") l:close() end
      try(fs.exists, dir .. "/in/socket")
      try(net.listen, { path = dir .. "/in/link/socket" })
      try(http.get, "http://x/", { unix_path = dir .. "/in/link/socket" })
    ]]
    local got = tries("--allow-net=unix:@/in --allow-read=@", code)
    assert.matches("^rille.Listener", got[1])
    assert.matches("^rille.Connection", got[2])
    assert.same({ "true", "false", "DENIED", "DENIED" }, table.move(got, 3, 6, 1, {}))
    got = tries("--allow-read=@/in --allow-write=@/in", code)
    assert.matches("^rille.Listener", got[1])
    assert.same({ "DENIED", "DENIED" }, table.move(got, 5, 6, 1, {}))
    assert.equal("DENIED", tries("--allow-read=@/in", code)[1])
  end)
end)

describe("permission for files", function()
  local READS = { "fs.read(F)", "fs.open(F)", "fs.stat(F)", "fs.lstat(F)", "fs.exists(F)", "fs.realpath(F)",
    "fs.list(F .. '/..')", "fs.watch(F)", "rille.hash.file(F, 'md5')", "io.open(F)", "io.lines(F)", "io.input(F)",
    "rille.tls.check { cert = F, key = F }", "fs.copy(F, dir .. '/in/copy')", "rille.os.chdir(F .. '/..')" }
  local WRITES = { "fs.write(F, '')", "fs.write(F, '', { append = true })", "fs.write(F, '', { atomic = true })",
    "fs.open(F, 'w')", "fs.open(F, 'r+')", "fs.open(F .. 'new', 'wx')", "fs.mkdir(F .. 'new')",
    "fs.mkdir(F .. 'new/sub', { parents = true })", "fs.chmod(F, '600')", "fs.chown(F)", "fs.utime(F)",
    "fs.symlink('x', F .. 'new')", "fs.temp_dir { dir = F .. '/..' }", "fs.temp_file { dir = F .. '/..' }",
    "fs.copy(dir .. '/in/file', F)", "fs.link(dir .. '/in/file', F .. 'new')", "fs.rename(dir .. '/in/file', F)",
    "fs.link(F, dir .. '/in/hard')", "fs.rename(F, dir .. '/in/moved')", "fs.remove(F)",
    "fs.remove(F, { recursive = true })", "io.open(F, 'w')", "io.open(F, 'a+')", "io.output(F)", "os.remove(F)",
    "os.rename(F, dir .. '/in/moved')", "os.rename(dir .. '/in/file', F)" }

  local function at(expressions, path)
    local list = {}
    for i, expression in ipairs(expressions) do list[i] = expression:gsub("%f[%w]F%f[%W]", ("(dir .. '%s')"):format(path)) end
    return list
  end

  it("bounds every door to the directories given, whatever leads out of them", function()
    for _, path in ipairs { "/out/file", "/in/link/file", "/in/../out/file", "/in/sub/../../out/file" } do
      all_denied("--allow-read=@/in --allow-write=@/in", at(READS, path))
      all_denied("--allow-read=@/in --allow-write=@/in", at(WRITES, path))
    end
    assert.equal("outside", fs.read(dir .. "/out/file"))
  end)

  it("bounds the files that TLS reads by itself", function()
    local code = { "http.get('https://127.0.0.1:1/', { tls = { ca_file = dir .. '/out/file' } })",
      "http.get('https://127.0.0.1:1/', { tls = { ca_file = dir .. '/in/link/file' } })",
      "http.get('https://127.0.0.1:1/', { tls = { ca_file = dir .. '/in/file' } })",
      "rille.tls.check { cert = dir .. '/in/file', key = dir .. '/out/file' }" }
    fs.write(dir .. "/in/file", dir .. "/out/file") -- what looks like a path leads nowhere either
    local got = outcomes("--allow-net --allow-read=@/in", code)
    assert.same({ "DENIED", "DENIED" }, table.move(got, 1, 2, 1, {}))
    assert.not_equal("DENIED", got[3])
    assert.matches("is no PEM file", got[4])
  end)

  it("follows no link out of them, and replaces a link itself", function()
    local got = outcomes("--allow-read=@/in --allow-write=@/in", { "fs.read(dir .. '/in/filelink')",
      "fs.write(dir .. '/in/filelink', '')", "fs.write(dir .. '/in/filelink', '', { atomic = true })",
      "io.open(dir .. '/in/filelink', 'w')", "fs.readlink(dir .. '/in/filelink')", "fs.remove(dir .. '/in/filelink')" })
    assert.same({ "DENIED", "DENIED", "DENIED", "DENIED", "../out/file", "nil" }, got)
    assert.equal("outside", fs.read(dir .. "/out/file"))
  end)

  it("lets everything be done in them", function()
    local works = {}
    for _, expression in ipairs(at(READS, "/in/file")) do works[#works + 1] = expression end
    for _, expression in ipairs(at(WRITES, "/in/sub/file")) do
      works[#works + 1] = "fs.write(dir .. '/in/file', '')"
      works[#works + 1] = "fs.write(dir .. '/in/sub/file', '')"
      works[#works + 1] = expression
    end
    none_denied("--allow-read=@/in --allow-write=@/in", works)
  end)

  it("bounds the files that http.static serves", function()
    fs.symlink(dir .. "/in/file", dir .. "/in/same")
    local got = tries("--allow-read=@/in", [[
      local serve = http.static(dir .. "/in")
      for _, name in ipairs { "file", "same", "filelink", "link/file", "none" } do
        local request = { method = "GET", path = "/" .. name, raw_path = "/" .. name, headers = {} }
        try(function()
          local answer = serve(request):respond(request)
          return answer.status .. " " .. answer.body
        end)
      end
    ]])
    assert.same({ "200 inside", "200 inside", "DENIED", "DENIED", "404 Not Found" }, got)
  end)

  it("does not lead out through /proc", function()
    all_denied("--allow-read=/proc,@/in --allow-write=/proc", { "fs.read('/proc/self/root' .. dir .. '/out/file')",
      "fs.read('/proc/self/cwd/out/file')", "fs.read('/proc/self/environ')", "io.open('/proc/self/mem', 'r+')",
      "fs.write('/proc/self/oom_score_adj', '0')", "fs.open('/proc/thread-self/mem', 'w')" })
    local got = outcomes("--allow-read=/proc", { "fs.read('/proc/self/comm')" })
    assert.matches("rille", got[1])
  end)

  it("does not lead out through an open directory", function()
    local got = tries("--allow-read=/proc,@/in", [[
      local _, directory = fs.list(dir .. "/in")
      for fd = 3, 40 do
        local ok, text = pcall(fs.read, ("/proc/self/fd/%d/../out/file"):format(fd))
        if ok then print(text) end
      end
      print "done"
      directory:close()
    ]])
    assert.same({ "done" }, got)
  end)

  it("tells nothing of what is outside, not even whether it is there", function()
    local got = outcomes("--allow-read=@/in --allow-write=@/in", { "fs.exists(dir .. '/out/file')",
      "fs.exists(dir .. '/out/none')", "fs.exists(dir .. '/none/none')", "fs.exists(dir .. '/in/none')",
      "fs.exists(dir .. '/in/link/none')", "fs.symlink('../out/none', dir .. '/in/gone')", "fs.exists(dir .. '/in/gone')",
      "net.connect { path = dir .. '/out/none' }" })
    assert.same({ "DENIED", "DENIED", "DENIED", "false", "DENIED", "nil", "DENIED", "DENIED" }, got)
  end)

  it("does not let a forbidden file out by another name, or with the directory around it", function()
    fs.write(dir .. "/in/sub/file", "kept")
    local got = outcomes("--deny-read=@/in/sub --deny-write=@/in/sub", {
      "fs.link(dir .. '/in/sub/file', dir .. '/in/hard')", "fs.rename(dir .. '/in/sub/file', dir .. '/in/x')",
      "fs.rename(dir .. '/in/sub', dir .. '/in/x')", "fs.rename(dir .. '/in', dir .. '/x')",
      "fs.remove(dir .. '/in', { recursive = true })", "os.rename(dir .. '/in', dir .. '/x')" })
    assert.same({ "DENIED", "DENIED", "DENIED", "DENIED", "DENIED", "DENIED" }, got)
    assert.equal("kept", fs.read(dir .. "/in/sub/file"))
  end)

  it("does not let a link take the place of what the options name", function()
    local got = outcomes("--allow-read=@/in/sub --allow-read=@/out --allow-write=@", {
      "fs.remove(dir .. '/in/sub')", "fs.symlink('/etc', dir .. '/in/sub')", "fs.symlink('/etc', dir .. '/out/etc')",
      "fs.rename(dir .. '/out/etc', dir .. '/in/sub')", "fs.link(dir .. '/out/etc', dir .. '/in/sub')",
      "fs.mkdir(dir .. '/out/x')", "fs.symlink('/etc', dir .. '/out/x/sub')", "fs.rename(dir .. '/out/x', dir .. '/in')",
      "os.rename(dir .. '/out/x', dir .. '/in')", "fs.mkdir(dir .. '/in/sub')" })
    assert.same({ "nil", "DENIED", "nil", "DENIED", "DENIED", "nil", "nil", "DENIED", "DENIED", "nil" }, got)
  end)

  it("needs reading as well as writing for what moves where it can be read", function()
    all_denied("--allow-read=@/in --allow-write=@", { "fs.rename(dir .. '/out/file', dir .. '/in/x')",
      "fs.link(dir .. '/out/file', dir .. '/in/x')", "fs.copy(dir .. '/out/file', dir .. '/in/x')" })
  end)

  it("holds while links change under it", function()
    local got = tries("--allow-read=@/in --allow-write=@/in", [[
      fs.mkdir(dir .. "/in/real")
      fs.write(dir .. "/in/real/file", "inside")
      local swapper = worker.spawn(function(at)
        local remove, rename = os.remove, os.rename
        local fs = require "rille.fs"
        fs.symlink("real", at .. "/good")
        fs.symlink("../out", at .. "/bad")
        while true do
          fs.symlink("../out", at .. "/new")
          rename(at .. "/new", at .. "/way")
          fs.symlink("real", at .. "/new")
          rename(at .. "/new", at .. "/way")
        end
      end, dir .. "/in")
      local seen = {}
      for _ = 1, 400 do
        local ok, text = pcall(fs.read, dir .. "/in/way/file")
        seen[ok and text or text.code] = true
        pcall(fs.write, dir .. "/in/way/made", "x")
        pcall(fs.write, dir .. "/in/way/made", "x", { atomic = true })
      end
      swapper:terminate()
      print(seen.outside, seen.inside)
    ]])
    assert.same({ "nil\ttrue" }, got)
    assert.is_false(fs.exists(dir .. "/out/made"))
  end)

  it("keeps the name that was given in errors and results", function()
    local got = tries("--allow-read=@/in --allow-write=@/in", [[
      print((select(2, pcall(fs.read, dir .. "/in/none")).message:gsub(dir:gsub("%-", "%%-"), "@")))
      print((select(2, pcall(fs.mkdir, dir .. "/in/sub")).message:gsub(dir:gsub("%-", "%%-"), "@")))
      local file, path = fs.temp_file { dir = dir .. "/in" }
      print((path:gsub("%x+$", "X"):gsub(dir:gsub("%-", "%%-"), "@")), fs.exists(path))
      print(select(3, io.open(dir .. "/in/none")))
    ]])
    assert.same({ "open '@/in/none': no such file or directory", "mkdir '@/in/sub': file already exists",
      "@/in/rille-X\ttrue", "2" }, got)
  end)
end)

describe("permission for programs and variables", function()
  it("is for a program by name or path, found where it really is", function()
    fs.symlink("/bin/sh", dir .. "/in/shell")
    local doors = { "process.run { 'true' }.code", "process.run { '/bin/true' }.code", "process.run { 'sh', '-c', 'exit 3' }.code",
      "process.run { dir .. '/in/shell', '-c', 'exit 3' }.code", "process.run { 'no-such-program' }",
      "process.run { 'exit 3', shell = true }.code" }
    assert.same({ "0", "0", "DENIED", "DENIED", "DENIED", "DENIED" }, outcomes("--allow-run=true", doors))
    assert.same({ "DENIED", "DENIED", "3", "3", "DENIED", "3" }, outcomes("--allow-run=/bin/sh", doors))
    assert.same({ "0", "0", "DENIED", "DENIED", "ENOENT", "DENIED" }, outcomes("--deny-run=sh", doors))
  end)

  it("bounds what a shell is for, in Lua's own functions too", function()
    local doors = { "io.popen('exit 0'):close()", "os.execute 'exit 0'" }
    assert.same({ "DENIED", "DENIED" }, outcomes("--allow-run=true --allow-env", doors))
    assert.same({ "DENIED", "DENIED" }, outcomes("--allow-run=sh", doors))
    assert.same({ "true", "true" }, outcomes("--allow-run=sh --allow-env", doors))
  end)

  it("does not let a variable make another program of the one that may run", function()
    local doors = { "process.run { 'true', env = { LD_PRELOAD = '/x' } }", "process.run { 'true', env = { A = 'x' } }.code" }
    assert.same({ "DENIED", "0" }, outcomes("--allow-run=true", doors))
  end)

  it("bounds the variables that are read, set, listed and inherited", function()
    local doors = { "os.getenv 'HOME'", "os.getenv 'PATH'", "rille.os.env.PATH", "rille.os.env().PATH",
      "pcall(function() rille.os.env.PATH = 'x' end)", "(process.run { 'env' }.stdout:gsub('\\n', ' '))" }
    local got = outcomes("--allow-env=HOME --allow-run=env", doors)
    assert.same({ "DENIED", "DENIED", "nil", "false" }, table.move(got, 2, 5, 1, {}))
    assert.equal("HOME=" .. got[1] .. " ", got[6])
    assert.equal("true", outcomes("--allow-env=PATH", doors)[5])
    assert.same({ "DENIED", "DENIED" }, table.move(outcomes("--deny-env=PATH", doors), 2, 3, 1, {}))
  end)

  it("lets a variable be set only if it is named", function()
    local doors = { "pcall(function() rille.os.env.OPENSSL_CONF = 'x' end)", "rille.os.env.OPENSSL_CONF" }
    assert.same({ "false", "nil" }, outcomes("--allow-env", doors))
    assert.same({ "true", "x" }, outcomes("--allow-env=OPENSSL_CONF", doors))
  end)
end)

describe("permission for code", function()
  before_each(function()
    fs.write(dir .. "/app/beside.lua", "return 'beside'")
    fs.write(dir .. "/out/away.lua", "return 'away'")
  end)

  it("is implied for the directory of the script, and for nothing else", function()
    local doors = { "(function() package.path = dir .. '/app/?.lua;' .. dir .. '/out/?.lua' end)()", "require 'beside'",
      "dofile(dir .. '/app/beside.lua')", "loadfile(dir .. '/app/beside.lua')()", "pcall(require, 'away')",
      "dofile(dir .. '/out/away.lua')", "loadfile(dir .. '/out/away.lua')", "package.searchpath('file', dir .. '/out/?')" }
    local got = outcomes("--allow-env", doors)
    assert.same({ "nil", "beside", "beside", "beside", "false", "DENIED", "DENIED", "nil" }, got)
    got = outcomes("--allow-code=@/out", doors)
    assert.equal("true", got[5])
    assert.equal("away", outcomes("--allow-env --allow-code=@/out", doors)[6])
    assert.equal("away", outcomes("--allow-read=@/out", doors)[6])
    assert.equal("DENIED", outcomes("--allow-env --deny-code=@/app", doors)[3])
  end)

  it("does not let a script read with it", function()
    all_denied("--allow-env", { "fs.read(dir .. '/app/beside.lua')", "io.open(dir .. '/app/beside.lua')" })
  end)

  it("is for text; bytecode, C modules and the debug library are native", function()
    local doors = { "package.loadlib(dir .. '/x.so', '*')", "debug.setmetatable", "debug.getregistry", "debug.sethook",
      "debug.getinfo(print, 'f').func", "getmetatable(rille.stdout)", "load(string.dump(function() end))",
      "load(string.dump(function() end), 'x', 'b')", "#package.searchers", "type(debug.traceback())", "debug.getupvalue(try, 1)", "debug.getupvalue(io.open, 1)",
      "debug.setupvalue(os.execute, 1, print)", "debug.upvaluejoin(try, 1, pcall, 1)" }
    local got = outcomes("--allow-env", doors)
    assert.same({ "DENIED", "nil", "nil", "nil", "nil", "rille.Stdio", "nil", "nil" }, table.move(got, 1, 8, 1, {}))
    assert.same({ "string", "_ENV", "DENIED", "DENIED", "DENIED" }, table.move(got, 10, 14, 1, {}))
    got = outcomes("--allow-env --allow-native", doors)
    assert.matches("^nil", got[1])
    for i = 2, 8 do assert.matches("^[ft]", got[i], doors[i]) end
  end)

  it("lets a C module of the system be loaded only as native code", function()
    assert.matches("module 'lfs' not found", outcomes("--allow-read=/usr", { "require 'lfs'" })[1])
    assert.matches("^table", outcomes("--allow-native", { "require 'lfs'" })[1])
  end)

  it("leaves rille's own modules to be used", function()
    none_denied("--allow-env", { "require 'rille.hash'", "require 'rille.tls'", "require 'rille.http'", "require 'rille.log'",
      "require 'rille.tty'.color_depth(1)", "require 'socket'.gettime()", "require 'rille.zip'", "require 'rille.regex'" })
  end)
end)

describe("a worker", function()
  it("has the permissions of its parent", function()
    local got = tries("--allow-read=@/in", [[
      local w = worker.spawn(function(at)
        local files, sockets = require "rille.fs", require "rille.net"
        local function code(f, ...) return (select(2, pcall(f, ...))).code end
        return files.read(at .. "/in/file"), code(files.read, at .. "/out/file"), code(sockets.listen, "127.0.0.1", 0),
          code(io.open, at .. "/out/file"), code(os.getenv, "HOME"), debug.setmetatable
      end, dir)
      print(w:join())
    ]])
    assert.same({ "inside\tDENIED\tDENIED\tDENIED\tDENIED\tnil" }, got)
  end)

  it("that is a process has them too, and the program must be permitted", function()
    fs.write(dir .. "/app/child.lua", [[return function(at)
      return (pcall(io.open, at .. "/in/file")), (pcall(io.open, at .. "/out/file"))
    end]])
    local code = [[
      rille.os.env.TMPDIR = dir .. "/tmp"
      package.path = dir .. "/app/?.lua"
      try(function()
        local w <close> = worker.spawn { "child", dir, process = true }
        local a, b = w:join()
        return tostring(a) .. " " .. tostring(b)
      end)
    ]]
    local files = "--allow-read=@/in,@/tmp --allow-write=@/tmp --allow-env=TMPDIR "
    fs.mkdir(dir .. "/tmp")
    assert.same({ "true false" }, tries(files .. "--allow-run=" .. fs.realpath(program), code))
    assert.same({ "DENIED" }, tries(files, code))
  end)
end)

describe("the interactive commands under permissions", function()
  it("run code without a script", function()
    local result = process.run { program, "--allow-env=HOME", "-e", "print(pcall(io.open, '/etc/passwd'))" }
    assert.matches("^false\tDENIED", result.stdout)
  end)
end)
