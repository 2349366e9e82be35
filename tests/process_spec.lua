-- rille.process: children, their pipes, and their end.
local rille = require "rille"
local fs = require "rille.fs"
local process = require "rille.process"

local function failure(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok, "it should have failed")
  return err
end

local function is_running(pid)
  local ok, status = pcall(fs.read, "/proc/" .. pid .. "/status")
  return ok and not status:find "State:%s+Z"
end

local function exists(pid)
  return fs.exists("/proc/" .. pid)
end

describe("rille.process.run", function()
  it("gives output, errors and status", function()
    local r = process.run { "sh", "-c", "echo out; echo err >&2; exit 3" }
    assert.same({ code = 3, stdout = "out\n", stderr = "err\n" }, r)
    r = process.run { "sh", "-c", "kill -9 $$" }
    assert.equal("SIGKILL", r.signal)
    assert.equal(137, r.code)
  end)

  it("feeds strings of any length, and does not mind a child that reads none of it", function()
    local data = ("x"):rep(3000000)
    assert.is_true(process.run({ "cat", stdin = data }).stdout == data)
    assert.equal(0, process.run({ "true", stdin = data }).code)
    assert.equal("", process.run({ "cat", stdin = "" }).stdout)
    assert.equal("", process.run({ "cat" }).stdout)
  end)

  it("passes arguments as they are, through no shell", function()
    local given = { "printf", "%s|", "a b", ";", "$(id)", "`id`", "new\nline", "", "'\"", "*", "\xff" }
    local r = process.run(given)
    assert.equal(table.concat(given, "|", 3) .. "|", r.stdout)
    assert.equal("ENOENT", failure(process.run, { "echo hi" }).code)
    assert.equal("ENOENT", failure(process.run, { "" }).code)
  end)

  it("runs a shell when asked", function()
    local r = process.run { 'echo "$1-$2" | tr a-z A-Z', "a b", "c", shell = true }
    assert.equal("A B-C\n", r.stdout)
  end)

  it("has exactly the environment and the directory it is given", function()
    local r = process.run { "env", env = { A = "1", B = "x y" } }
    assert.equal("A=1\nB=x y\n", r.stdout)
    assert.equal("", process.run({ "env", env = {} }).stdout)
    assert.equal("/\n", process.run({ "pwd", cwd = "/" }).stdout)
    assert.matches("no name of a variable", failure(process.run, { "env", env = { ["A=B"] = "1" } }))
  end)

  it("hands over no descriptor but 0 to 2", function()
    local _ <close> = fs.open "/dev/null"
    local _ <close> = process.spawn { "cat" }
    local r = process.run { "sh", "-c", "ls /proc/$$/fd" }
    assert.equal("0\n1\n2\n", r.stdout)
  end)

  it("does not leave our handling of SIGPIPE and signal masks to the child", function()
    local status = process.run({ "cat", "/proc/self/status" }).stdout
    assert.matches("SigBlk:%s+0+\n", status)
    local ignored = tonumber(status:match "SigIgn:%s+(%x+)", 16)
    assert.equal(0, ignored & 1 << 12) -- SIGPIPE
  end)

  it("raises for a failed command when asked to check", function()
    local err = failure(process.run, { "sh", "-c", "echo why >&2; exit 4", check = true })
    assert.equal("EXIT", err.code)
    assert.equal("run 'sh': exit status 4: why", err.message)
    assert.equal(4, err.result.code)
    assert.equal(0, process.run({ "true", check = true }).code)
    assert.matches("SIGTERM", failure(process.run, { "sh", "-c", "kill $$", check = true }).message)
  end)

  it("tells why a program did not start, and leaves no zombie", function()
    local err = failure(process.run, { "/no/such/program" })
    assert.equal("ENOENT", err.code)
    assert.equal("spawn '/no/such/program': no such file or directory", err.message)
    assert.equal("EACCES", failure(process.run, { "/etc/passwd" }).code)
    err = failure(process.run, { "true", cwd = "/no/such" })
    assert.equal("chdir '/no/such': no such file or directory", err.message)
    assert.equal("E2BIG", failure(process.run, { "true", ("x"):rep(3000000) }).code)
    assert.equal(0, process.run({ "true" }).code)
    local zombies = process.run { "ps", "-o", "stat=,comm=", "--ppid", tostring(rille.os.pid) }
    assert.is_nil(zombies.stdout:match "Z%w*%s+true")
  end)

  it("stops a flood at its limit, or carries all of it", function()
    local err = failure(process.run, { "yes", limit = 100000, grace = 1 })
    assert.equal("LIMIT", err.code)
    assert.matches("more than 100000 bytes", err.message)
    local r = process.run { "sh", "-c", "head -c 5000000 /dev/zero & head -c 5000000 /dev/zero >&2; wait" }
    assert.equal(5000000, #r.stdout)
    assert.equal(5000000, #r.stderr)
  end)

  it("times out, and kills a child that ignores SIGTERM after the grace period", function()
    local pid
    local err = failure(function()
      process.run {
        "sh", "-c", "trap '' TERM; echo $$ > \"$0\"; while :; do sleep 0.05; done", "/tmp/rille-spec-pid",
        timeout = 0.3, grace = 0.2,
      }
    end)
    assert.same({ "TIMEOUT", "run", "sh" }, { err.code, err.op, err.path })
    assert.equal("run 'sh': no end within 0.3 s", err.message)
    pid = fs.read("/tmp/rille-spec-pid"):match "%d+"
    fs.remove "/tmp/rille-spec-pid"
    assert.is_false(exists(pid))
  end)

  it("does not wait for ever for a grandchild that holds the pipe", function()
    local r = process.run { "sh", "-c", "sleep 60 & echo $!", grace = 0.1 }
    assert.equal(0, r.code)
    local pid = tonumber(r.stdout)
    assert.is_true(is_running(pid))
    rille.signal.send(pid, "KILL")
  end)

  it("ends the whole group when it is cancelled", function()
    local dir <const>, _ <close> = fs.temp_dir()
    local finished = rille.move_on_after(0.3, function()
      process.run { "sh", "-c", "sleep 60 & echo $! > pid; wait", cwd = dir, grace = 1 }
    end)
    assert.is_false(finished)
    local pid = fs.read(dir .. "/pid"):match "%d+"
    for _ = 1, 50 do
      if not is_running(pid) then
        break
      end
      rille.sleep(0.01)
    end
    assert.is_false(is_running(pid))
  end)

  it("runs many at once", function()
    local numbers = {}
    for i = 1, 60 do
      numbers[i] = i
    end
    local results = rille.map(numbers, function(i)
      return process.run({ "echo", i }).stdout
    end, { concurrency = 16 })
    for i = 1, 60 do
      assert.equal(i .. "\n", results[i])
    end
  end)

  it("names an unknown option and a wrong value", function()
    assert.matches("unknown option 'timout'", failure(process.run, { "true", timout = 1 }))
    assert.matches("option 'stdout'", failure(process.run, { "true", stdout = "file" }))
    assert.matches("command expected", failure(process.run, {}))
    assert.matches("zero byte", failure(process.run, { "echo", "a\0b" }))
  end)
end)

describe("rille.process.spawn", function()
  it("talks to a child through its pipes", function()
    local child <close> = process.spawn { "cat" }
    assert.is_true(exists(child.pid))
    child.stdin:write "hello\n"
    assert.equal("hello\n", child.stdout:read "L")
    child.stdin:close()
    assert.is_nil(child.stdout:read())
    assert.same({ code = 0 }, child:wait())
    assert.same({ code = 0 }, child:wait())
    assert.is_false(child:kill "TERM")
  end)

  it("ends input by shutdown, when all of it has gone", function()
    local child <close> = process.spawn { "wc", "-c" }
    rille.group(function(g)
      g:spawn(function()
        child.stdin:write(("x"):rep(2000000)):shutdown()
      end)
      assert.equal("2000000\n", child.stdout:read "a")
    end)
  end)

  it("holds back a writer whose child does not read", function()
    local child <close> = process.spawn { "sleep", "60" }
    local finished = rille.move_on_after(0.1, function()
      for _ = 1, 100 do
        child.stdin:write(("x"):rep(100000))
      end
    end)
    assert.is_false(finished)
  end)

  it("joins processes into a pipeline", function()
    local producer <close> = process.spawn { "seq", "100000" }
    local filter <close> = process.spawn { "grep", "7", stdin = producer.stdout }
    local counter <close> = process.spawn { "wc", "-l", stdin = filter.stdout }
    assert.equal("40951\n", counter.stdout:read "a")
    assert.equal(0, producer:wait().code)
  end)

  it("redirects from and to files, at their position", function()
    local dir <const>, _ <close> = fs.temp_dir()
    fs.write(dir .. "/in", "skip\nb\na\n")
    local input <close> = fs.open(dir .. "/in")
    assert.equal("skip", input:read "l")
    do
      local output <close> = fs.open(dir .. "/out", "w")
      output:write "head\n"
      local child <close> = process.spawn { "sort", stdin = input, stdout = output }
      assert.is_nil(child.stdout)
      assert.equal(0, child:wait().code)
    end
    assert.equal("head\na\nb\n", fs.read(dir .. "/out"))
  end)

  it("hands our own standard streams over as they are", function()
    local script = [[
      local rille, process = require "rille", require "rille.process"
      rille.stdout:write "a\n":flush()
      process.run { "cat", stdin = rille.stdin, stdout = rille.stdout }
      rille.stdout:write "c\n":flush()
    ]]
    local r = process.run { "/proc/" .. rille.os.pid .. "/exe", "-e", script, stdin = "b\n" }
    assert.equal("a\nb\nc\n", r.stdout)
  end)

  it("sends errors where output goes", function()
    local child <close> = process.spawn { "sh", "-c", "echo a; echo b >&2", stderr = "stdout" }
    assert.equal("a\nb\n", child.stdout:read "a")
  end)

  it("reports the signal that ended it", function()
    local child <close> = process.spawn { "sleep", "60", stdin = "null" }
    assert.is_true(child:kill "INT")
    assert.equal("SIGINT", child:wait().signal)
  end)

  it("lets several tasks wait for one end", function()
    local child <close> = process.spawn { "cat" }
    rille.group(function(g)
      for _ = 1, 3 do
        g:spawn(function()
          assert.equal(0, child:wait().code)
        end)
      end
      rille.yield()
      child.stdin:close()
    end)
  end)

  it("terminates and reaps when its scope is left", function()
    local pid
    do
      local child <close> = process.spawn { "sleep", "60" }
      pid = child.pid
      assert.is_true(is_running(pid))
    end
    assert.is_false(exists(pid))
  end)

  it("kills a stopped child too", function()
    local pid
    do
      local child <close> = process.spawn { "sleep", "60", grace = 0.1 }
      pid = child.pid
      child:kill "STOP"
    end
    assert.is_false(exists(pid))
  end)

  it("starts nothing for a task that was cancelled first", function()
    rille.group(function(g)
      for _ = 1, 20 do
        g:spawn(function()
          local child <close> = process.spawn { "sleep", "77.25" }
          child:wait()
        end)
      end
      rille.yield()
      g:cancel()
    end)
    local r = process.run { "pgrep", "-f", "sleep 77.25" }
    assert.equal("", r.stdout)
  end)

  it("reaps a child whose handle was lost", function()
    local pid = process.spawn({ "sleep", "60" }).pid
    for _ = 1, 100 do
      collectgarbage()
      rille.sleep(0.01)
      if not exists(pid) then
        break
      end
    end
    assert.is_false(exists(pid))
  end)

  it("ends children that flood, never read, ignore SIGTERM, and whose children do too", function()
    local dir <const>, _ <close> = fs.temp_dir()
    do
      local child <close> = process.spawn {
        "sh", "-c", "trap '' TERM; yes & echo $! > pid; yes >&2 & wait", cwd = dir, grace = 0.2,
      }
      assert.equal("y\n", child.stdout:read "L")
      while not (fs.exists(dir .. "/pid") and fs.read(dir .. "/pid"):find "\n") do
        rille.sleep(0.005)
      end
    end
    assert.is_false(is_running(fs.read(dir .. "/pid"):match "%d+"))
  end)

  it("leaves no zombie after a storm of children", function()
    local numbers = {}
    for i = 1, 400 do
      numbers[i] = i
    end
    rille.map(numbers, function()
      process.run { "true", stdout = "null", stderr = "null" }
    end, { concurrency = 64 })
    local children = process.run({ "ps", "-o", "stat=", "--ppid", tostring(rille.os.pid) }).stdout
    assert.is_nil(children:find "Z")
  end)

  it("tells when there are no descriptors left, and goes on when there are", function()
    local script = [[
      local rille, fs, process = require "rille", require "rille.fs", require "rille.process"
      process.run { "true" }
      local open, ok, err = {}, nil, nil
      repeat
        ok, err = pcall(fs.open, "/dev/null")
        open[#open + 1] = ok and err or nil
      until not ok
      assert(err.code == "EMFILE" and err.op == "open")
      ok, err = pcall(process.run, { "true" })
      assert(not ok and err.code == "EMFILE", err)
      for _, file in ipairs(open) do file:close() end
      assert(process.run({ "true" }).code == 0)
      print(#open > 3)
    ]]
    local r = process.run { "prlimit", "--nofile=32", "/proc/" .. rille.os.pid .. "/exe", "-e", script }
    assert.same({ code = 0, stdout = "true\n", stderr = "" }, r)
  end)

  it("lets a program end at once with a thousand handles open", function()
    local script = [[
      local rille, fs, process = require "rille", require "rille.fs", require "rille.process"
      for i = 1, 1000 do
        _G[i] = fs.open "/dev/null"
      end
      for i = 1, 20 do
        _G["child" .. i] = process.spawn { "sleep", "77.125" }
      end
      error "over"
    ]]
    local began = rille.now()
    local r = process.run { "/proc/" .. rille.os.pid .. "/exe", "-e", script }
    assert.equal(1, r.code)
    assert.matches("over", r.stderr)
    assert.is_true(rille.now() - began < 3)
    assert.equal(1, process.run({ "pgrep", "-f", "sleep 77.125" }).code)
  end)
end)
