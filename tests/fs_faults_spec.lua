-- System calls that fail under rille.fs and rille.process: each ends in an error that names the call, and leaves no
-- half of anything. strace makes them fail.
local rille = require "rille"
local fs = require "rille.fs"
local process = require "rille.process"

local program = "/proc/" .. rille.os.pid .. "/exe"
local strace = pcall(process.run, { "strace", "-o", "/dev/null", "true", check = true })

-- Runs a script while calls named `call` fail, if `only` is given just those on that file. Gives its output, and what
-- is in its directory afterwards. strace counts by thread: there is one of the file pool. Leaks are not looked for under
-- strace, which takes the place of what looks for them.
local function inject(call, failure, body, only)
  local dir <const>, _ <close> = fs.temp_dir()
  fs.write(dir .. "/old", "old")
  local script = ([[
    local rille, fs, process = require "rille", require "rille.fs", require "rille.process"
    local dir = arg[1]
    local ok, err = pcall(function() %s end)
    print(ok and "ok" or type(err) == "table" and err.code .. " " .. tostring(err.op) or tostring(err))
  ]]):format(body)
  fs.write(dir .. "/script.lua", script)
  local command = {
    "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" .. call,
    "-e", ("inject=%s:%s"):format(call, failure),
    timeout = 20,
    env = { PATH = os.getenv "PATH", UV_THREADPOOL_SIZE = "1", ASAN_OPTIONS = "detect_leaks=0" },
  }
  local rest = { program, dir .. "/script.lua", dir }
  if only then
    table.insert(rest, 1, "-P")
    table.insert(rest, 2, dir .. only)
  end
  local r = process.run(table.move(rest, 1, #rest, #command + 1, command))
  fs.remove(dir .. "/script.lua")
  local names = {}
  for name in fs.list(dir) do
    names[#names + 1] = name
  end
  table.sort(names)
  return r.stdout .. r.stderr, names, pcall(fs.read, dir .. "/old") and fs.read(dir .. "/old")
end

local cases = {
  { "fsync", "error=EIO", 'fs.write(dir .. "/old", "new", { atomic = true })', "EIO fsync" },
  { "rename", "error=EXDEV", 'fs.write(dir .. "/old", "new", { atomic = true })', "EXDEV rename" },
  { "fchmod", "error=EPERM", 'fs.write(dir .. "/old", "new", { atomic = true })', "EPERM fchmod" },
  { "mkdir", "error=EROFS", 'fs.mkdir(dir .. "/a/b", { parents = true })', "EROFS mkdir" },
  { "getdents64", "error=EIO", "for _ in fs.list(dir) do end", "EIO getdents" },
  { "unlinkat", "error=EBUSY", 'fs.remove(dir, { recursive = true })', "EBUSY unlinkat" },
  { "pread64", "error=EIO", 'local f <close> = fs.open(dir .. "/old") f:read "a"', "EIO read", "/old" },
  { "ftruncate", "error=EFBIG", 'local f <close> = fs.open(dir .. "/old", "a") f:truncate(9)', "EFBIG truncate" },
  { "inotify_init1", "error=EMFILE", "fs.watch(dir)", "EMFILE inotify_init" },
  { "inotify_add_watch", "error=ENOSPC", "fs.watch(dir)", "ENOSPC inotify_add_watch" },
  { "utimensat", "error=EPERM", 'fs.utime(dir .. "/old")', "EPERM utimensat" },
  { "pipe2", "error=EMFILE:when=3+", 'process.spawn { "true" }', "EMFILE pipe" },
  { "clone3", "error=EAGAIN:when=2+", 'process.run { "true" } process.run { "true" }', "EAGAIN spawn" },
  { "pidfd_open", "error=EMFILE", 'process.run { "true" }', "EMFILE spawn" },
}

describe("a failing system call", function()
  for _, case in ipairs(cases) do
    local call, failure, body, wanted, only = table.unpack(case)
    it(("%s (%s) is told by name and leaves nothing behind"):format(call, failure), function()
      if not strace then
        return pending "strace is not there, or may not trace"
      end
      local output, names, old = inject(call, failure, body, only)
      assert.equal(wanted .. "\n", output)
      assert.same({ "old" }, names)
      assert.equal("old", old)
    end)
  end

  it("interrupted (EINTR) is made again", function()
    if not strace then
      return pending "strace is not there, or may not trace"
    end
    local output = inject("read", "error=EINTR:when=1+2", 'assert(fs.read(dir .. "/old") == "old")', "/old")
    assert.equal("ok\n", output)
  end)

  it("writes what a short write left over", function()
    if not strace then
      return pending "strace is not there, or may not trace"
    end
    local output = inject("pwrite64", "error=EINTR:when=1+2", [[
      local f = fs.open(dir .. "/new", "w")
      for i = 1, 2000 do f:write(("x"):rep(100)) end
      f:close()
      assert(fs.read(dir .. "/new") == ("x"):rep(200000))
      fs.remove(dir .. "/new")
    ]])
    assert.equal("ok\n", output)
  end)
end)
