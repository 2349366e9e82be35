-- The program: options, exit statuses, scripts that are no scripts, signals, standard streams.
local program = arg[-1]

local function sh(command)
  local pipe = assert(io.popen(("R=%s; { %s ; } 2>&1"):format(program, command)))
  local output = pipe:read "a"
  local _, _, status = pipe:close()
  return output, status
end

local function with_file(bytes, f)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
  local _ <close> = setmetatable({}, { __close = function() os.remove(path) end })
  return f(path)
end

local function script(bytes, before, after)
  return with_file(bytes, function(path)
    return sh(("$R %s %s %s"):format(before or "", path, after or ""))
  end)
end

describe("the program", function()
  it("gives a script its arguments", function()
    local output = script("print(arg[0] ~= nil, arg[1], arg[2], ...)", "", "one two")
    assert.equal("true\tone\ttwo\tone\ttwo\n", output)
  end)

  it("takes lua's options", function()
    assert.equal("1\n", (sh "$R -e 'print(1)'"))
    assert.equal("hello\n", (sh "$R -l s=string -e 'print((s.rep)([[hello]], 1))'"))
    assert.matches("^rille %d+%.%d+", (sh "$R -v"))
    assert.equal("2\n", (sh "echo 'print(2)' | $R -"))
    assert.equal("3\n", (sh "LUA_INIT='x = 3' $R -e 'print(x)'"))
    assert.equal("nil\n", (sh "LUA_INIT='x = 3' $R -E -e 'print(x)'"))
    local complaint, wrong = sh "RILLE_SEED=x $R -e 'print(1)'"
    assert.matches("RILLE_SEED: a whole number expected, got 'x'", complaint)
    assert.equal(2, wrong)
    assert.equal("1\n", (sh "RILLE_SEED=x $R -E -e 'print(1)'"))
    local help, status = sh "$R --help 2>/dev/null"
    assert.equal(0, status)
    assert.matches("^usage: .*%-e stat", help)
    assert.matches("Lua warning: careful", (sh "$R -W -e 'warn([[careful]])'"))
  end)

  it("tells an option it does not know, with status 2", function()
    local output, status = sh "$R -z"
    assert.equal(2, status)
    assert.matches("unrecognized option '-z'", output, 1, true)
    assert.matches("\nusage: [^\n]+\n[^\n]+\n[^\n]+%-%-help lists the options\n$", output)
    assert.equal(2, select(2, sh "$R -e"))
  end)

  it("tells what an option needs that has no value, or one that means nothing", function()
    for option, complaint in pairs {
      ["--timeout=x"] = "seconds are needed, as in --timeout=2.5, not '--timeout=x'",
      ["--timeout"] = "seconds are needed, as in --timeout=2.5, not '--timeout'",
      ["--max-memory=1X"] = "bytes are needed, as in --max-memory=64M, not '--max-memory=1X'",
      ["--warn-blocking=0"] = "milliseconds are needed, as in --warn-blocking=50, not '--warn-blocking=0'",
      ["--trace"] = "a file is needed, as in --trace=FILE, not '--trace'",
      ["--profile="] = "a file is needed, as in --profile=FILE, not '--profile='",
      ["--timeouts=1"] = "unrecognized option '--timeouts=1'",
    } do
      local output, status = sh("$R " .. option)
      assert.equal(2, status)
      assert.matches(complaint, output, 1, true)
    end
  end)

  it("runs a script with a BOM, CRLF, or a first line for the shell", function()
    assert.equal("1\n", (script "\xef\xbb\xbfprint(1)"))
    assert.equal("1\n2\n", (script "print(1)\r\nprint(2)\r\n"))
    assert.equal("1\n", (script "#!/usr/bin/env rille\nprint(1)"))
    assert.equal("", (script "#!only"))
    assert.equal("", (script ""))
  end)

  it("tells a script that is missing, a directory, or binary", function()
    local output, status = sh "$R /no/such/script.lua"
    assert.equal(1, status)
    assert.matches("cannot open /no/such/script.lua: No such file", output, 1, true)
    output, status = sh "$R /tmp"
    assert.equal(1, status)
    assert.matches("cannot open /tmp: Is a directory", output, 1, true)
    output, status = script(string.dump(function() end))
    assert.equal(1, status)
    assert.matches("attempt to load a binary chunk", output, 1, true)
    output, status = script "\127ELF\2\1\1\0\0\0"
    assert.equal(1, status)
    assert.matches("syntax error", (output:gsub("unexpected symbol", "syntax error")))
  end)

  it("prints an error with its traceback, with status 1", function()
    local output, status = script "local function f() error('oh') end\nf()\n"
    assert.equal(1, status)
    assert.matches("rille: [^\n]+:1: oh\nstack traceback:\n", output)
    assert.matches(":2: in main chunk", output, 1, true)
  end)

  it("prints the stack also of a coroutine whose error was raised again", function()
    local output, status = script [[
      local rille = require "rille"
      local function deepest() rille.yield() error "deep" end
      local start = rille.async(function()
        local ok, err = coroutine.resume(coroutine.create(function()
          coroutine.wrap(deepest)()
        end))
        error(err, ok and 1 or 0)
      end)
      start():await()
    ]]
    assert.equal(1, status)
    assert.matches(":2: in function", output)
    assert.matches(":5: in function", output)
    assert.matches("spawned at .-:9\n", output)
  end)

  it("prints the cause of an error", function()
    local output = sh [[$R -e 'require "rille".any(function() error "the cause" end)']]
    assert.matches("BROKEN: any: all 1 failed.*\ncause: .*the cause", output)
  end)

  it("tells errors of any type", function()
    for _, value in ipairs { "nil", "{}", "setmetatable({}, {__tostring = function() error('x') end})", "42", "true" } do
      local output, status = sh(("$R -e 'error(%s)'"):format(value:gsub("'", '"')))
      assert.equal(1, status)
      assert.matches("^rille: .", output)
    end
  end)

  it("waits for the main scope, and then cancels what is detached", function()
    local output, status = script [[
      local rille = require "rille"
      rille.spawn(function() rille.sleep(0.02) print "child" end)
      rille.detach(function()
        local _ <close> = setmetatable({}, {__close = function() rille.sleep(0.01) print "detached is gone" end})
        rille.sleep(100)
      end)
      print "main"
    ]]
    assert.equal(0, status)
    assert.equal("main\nchild\ndetached is gone\n", output)
  end)

  it("ends with status 1 when a detached task has failed", function()
    local output, status = sh [[$R -e 'local r = require "rille" r.detach(error, "lost") r.sleep(0.01)']]
    assert.equal(1, status)
    assert.matches("lost", output)
  end)

  it("tells each of a crowd of failures", function()
    local output = script [[
      local r = require "rille"
      for i = 1, 1000 do r.detach(error, "failure " .. i) end
      r.sleep(0)
    ]]
    assert.equal(1000, select(2, output:gsub("rille: failure %d+\n", "")))
  end)

  it("tells errors that are nil or numbers, with their traceback, and a script that is bytecode, with its name", function()
    for code, message in pairs { ["error()"] = "a nil value", ["error(42)"] = "rille: 42\n" } do
      local output, status = script("local function f() " .. code .. " end\nf()\nreturn")
      assert.equal(1, status)
      assert.matches(message .. ".*in local 'f'.*:2: in main chunk", output)
    end
    local output, status = script(string.dump(function() end))
    assert.equal(1, status)
    assert.matches("rille: %S+: attempt to load a binary chunk", output)
  end)

  it("reports a deadlock with status 13, and cleans up", function()
    local output, status = script [[
      local rille = require "rille"
      local _ <close> = setmetatable({}, {__close = function() print "cleaned" end})
      rille.channel():recv()
    ]]
    assert.equal(13, status)
    assert.matches("deadlock", output)
    assert.matches("channel", output)
    assert.matches("cleaned", output)
  end)

  it("raises DEADLOCK from what the main task waits for", function()
    local output, status = script [[
      local rille = require "rille"
      print(select(2, pcall(function() rille.channel():recv() end)).code)
      local _ <close> = setmetatable({}, {__close = function(_, err) print("closed by " .. err.code) end})
      rille.group(function(g) g:spawn(function() rille.event():wait() end) end)
    ]]
    assert.equal(13, status)
    assert.matches("DEADLOCK\n", output)
    assert.matches("closed by CANCELLED", output) -- in vain for a second time: it is cancelled
    output, status = script [[
      local rille = require "rille"
      local a, b = rille.lock(), rille.lock()
      local function both(x, y) return function() x:acquire() rille.yield() y:acquire() end end
      rille.group(function(g) g:spawn(both(a, b)) g:spawn(both(b, a)) end)
    ]]
    assert.equal(13, status)
    assert.matches("held by task", output)
    assert.matches("rille: DEADLOCK: ", output)
  end)

  it("tells a CANCELLED that the script got from another task, or for itself", function()
    for _, code in ipairs {
      [[local t = r.spawn(r.sleep, 1) t:cancel "why" t:await()]],
      [[r.spawn(r.yield) r.current():cancel "why" r.sleep(1)]],
      [[r.spawn(function() local t = r.spawn(r.sleep, 1) t:cancel "why" t:await() end)]],
    } do
      local output, status = sh("$R -e 'local r = require \"rille\" " .. code .. "'")
      assert.equal(1, status, code)
      assert.matches("CANCELLED: cancelled: why", output)
    end
  end)

  it("ends after a deadlock also when what is left is shielded, and would wait for ever", function()
    local output, status = script [[
      local rille = require "rille"
      local clock = rille.test.clock()
      rille.spawn(rille.shield, function() rille.channel():recv() end)
    ]]
    assert.equal(13, status)
    local _, told = output:gsub("deadlock", "")
    assert.equal(1, told)
  end)

  it("leaves with os.exit's status; with true it cleans up first", function()
    assert.equal(7, select(2, sh "$R -e 'os.exit(7)'"))
    assert.equal(0, select(2, sh "$R -e 'os.exit(true)'"))
    assert.same({ "", 0 }, { sh "$R -e 'os.exit(0, true)'" })
    local output, status = sh [[$R -e 'local _ <close> = setmetatable({}, {__close = function() print(1) end})
      os.exit(8, true)']]
    assert.equal(8, status)
    assert.equal("1\n", output)
  end)

  for signal, status in pairs { INT = 130, TERM = 143 } do
    it("cleans up on SIG" .. signal, function()
      local output, got = with_file([[
        local rille = require "rille"
        local _ <close> = setmetatable({}, {__close = function() rille.sleep(0.01) print "cleaned" end})
        print "ready"
        io.stdout:flush()
        rille.sleep(30)
      ]], function(path)
        return sh(("timeout --foreground --preserve-status -s %s 0.3 env --default-signal=INT $R %s"):format(signal, path))
      end)
      assert.equal(status, got)
      assert.matches("cleaned", output)
    end)
  end

  it("ends at once on a second signal", function()
    local output, status = with_file("while true do end", function(path)
      return sh(("$R %s & pid=$!; sleep 0.2; kill $pid; sleep 0.2; kill $pid; wait $pid"):format(path))
    end)
    assert.equal(143, status, output)
  end)

  it("ends with --timeout also what never waits", function()
    local output, status = sh [[timeout -s KILL 20 $R --timeout=0.05 -e 'while true do pcall(function() while true do end end) end']]
    assert.equal(1, status)
    assert.matches("timed out", output)
    output, status = sh [[timeout -s KILL 20 $R --timeout=0.05 --warn-blocking=20 -e 'while true do end']]
    assert.equal(1, status)
    assert.matches("has held up the loop.*timed out", output)
  end)

  it("cancels the script after --timeout", function()
    local output, status = sh [[$R --timeout=0.05 -e 'require("rille").sleep(30)']]
    assert.equal(1, status)
    assert.matches("timed out", output)
  end)

  it("keeps Lua below --max-memory", function()
    local output, status = sh [[$R --max-memory=8M -e 'local t = {} for i = 1, 1e8 do t[i] = {} end']]
    assert.equal(1, status)
    assert.matches("not enough memory", output)
  end)

  it("fails when standard output is closed or full", function()
    assert.equal(1, select(2, sh "$R -e 'print(1)' >&-"))
    local output, status = sh "$R -e 'print(1)' >/dev/full"
    assert.equal(1, status)
    assert.matches("standard output", output)
  end)

  it("starts with every standard descriptor closed", function()
    assert.equal(1, select(2, sh "$R -e 'print(1)' <&- >&- 2>&-"))
    assert.equal(0, select(2, sh "$R -e 'x = 1' <&- >&- 2>&-"))
  end)

  it("starts or is told under tight limits of the system, and without an environment", function()
    for limits, expected in pairs {
      ["ulimit -n 8"] = "cannot make an event loop: too many open files",
      ["ulimit -n 20"] = "^1\n",
      ["ulimit -s 256"] = "^1\n",
      ["unset HOME PATH"] = "^1\n",
    } do
      assert.matches(expected, (sh(limits .. "; $R -e 'print(1)'")))
    end
    local output = sh "ulimit -s 256; $R -e 'local function f() return 1 + f() end print(pcall(f))'"
    assert.matches("stack overflow", output)
  end)

  it("goes on with a script that is replaced while it runs", function()
    local output, status = script [[
      local path = arg[0]
      local file = assert(io.open(path, "w"))
      file:write("error 'another'")
      file:close()
      require("rille").sleep(0)
      print(assert(io.open(path)):read "a", "as it began")
    ]]
    assert.equal(0, status)
    assert.equal("error 'another'\tas it began\n", output)
  end)

  it("does not go on printing into a broken pipe", function()
    for _, call in ipairs { "print", "io.write" } do
      local output = sh(("(timeout -s KILL 5 $R -e 'while true do %s([[y\n]]) end'; echo status $? >&2) | head -1"):format(call))
      assert.matches("y\n", output)
      assert.matches("status 1\n", output)
    end
  end)

  it("says what is missing when a module is", function()
    local output, status = sh [[$R -e 'require "rille.nosuch"']]
    assert.equal(1, status)
    assert.matches("no module 'nosuch' in the binary", output, 1, true)
    assert.equal("nil\n", (sh [[$R -e 'print(require("rille").nosuch)']]))
  end)

  it("says in one sentence that a library of its own is missing, and where it was looked for", function()
    local dir <const> = os.tmpname()
    os.remove(dir)
    local _ <close> = setmetatable({}, { __close = function() sh("rm -r " .. dir) end })
    sh(("mkdir %s && cp $R %s/rille"):format(dir, dir))
    local output, status = sh(dir .. [[/rille -e 'require("rille").hash.md5("x")']])
    if status == 0 then pending "it is installed on this machine" end
    local sentence = ("rille has no module 'hash' in the binary, and no hash.so in %s/lib/rille, "):format(dir)
    assert.matches("^rille: %(command line%):1: " .. sentence:gsub("%p", "%%%0"), output)
    output = sh(dir .. [[/rille -e 'print(select(2, pcall(require, "rille.hash")))']])
    assert.matches("^" .. sentence:gsub("%p", "%%%0") .. "[^\n]+\n$", output)
  end)

  it("loads C modules of the system", function()
    assert.equal("[1]\n", (sh [[$R -e 'print(require("cjson").encode({1}))']]))
    assert.equal("3\n", (sh [[$R -e 'print(require("lpeg").match(require("lpeg").P("aa"), "aaa"))']]))
    assert.equal("directory\n", (sh [[$R -e 'print(require("lfs").attributes("/tmp", "mode"))']]))
  end)
end)
