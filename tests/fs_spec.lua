-- rille.fs: whole files, open files, directories.
local rille = require "rille"
local fs = require "rille.fs"
local path = require "rille.path"
local process = require "rille.process"

local function failure(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok, "it should have failed")
  return err
end

-- In memory where there is such a place: a busy disk makes every fsync wait.
local memory = fs.exists "/dev/shm" and "/dev/shm" or nil

local function temp_dir()
  return fs.temp_dir { dir = memory }
end

local function names(dir)
  local list = {}
  for name in fs.list(dir) do
    list[#list + 1] = name
  end
  table.sort(list)
  return list
end

describe("rille.fs: whole files", function()
  it("writes and reads any bytes of any length", function()
    local dir <const>, _ <close> = temp_dir()
    local file = path.join(dir, "data")
    for _, size in ipairs { 0, 1, 4096, 65536, 1 << 20, (1 << 20) + 1, 3000000 } do
      local data = ("\0\xff\r\n1"):rep(size // 5 + 1):sub(1, size)
      fs.write(file, data)
      assert.is_true(fs.read(file) == data)
      assert.equal(size, fs.stat(file).size)
    end
  end)

  it("names the call and the path in every error", function()
    local err = failure(fs.read, "/no/such/file")
    assert.equal("ENOENT", err.code)
    assert.equal("open", err.op)
    assert.equal("/no/such/file", err.path)
    assert.equal("open '/no/such/file': no such file or directory", err.message)
    assert.equal("EISDIR", failure(fs.read, "/").code)
    assert.equal("read", failure(fs.read, "/").op)
    assert.equal("ENOTDIR", failure(fs.read, "/dev/null/x").code)
    assert.equal("mkdir", failure(fs.mkdir, "/dev/null/x").op)
    assert.equal("ENAMETOOLONG", failure(fs.read, ("x"):rep(5000)).code)
    assert.equal("EISDIR", failure(fs.write, "/", "x").code)
  end)

  it("refuses a zero byte in a path", function()
    local err = failure(fs.read, "/etc/passwd\0.txt")
    assert.equal("EINVAL", err.code)
    assert.equal("/etc/passwd\0.txt", err.path)
    assert.matches("zero byte", err.message)
    assert.equal("EINVAL", failure(fs.rename, "a", "b\0").code)
  end)

  it("keeps names that are not UTF-8", function()
    local dir <const>, _ <close> = temp_dir()
    fs.write(dir .. "/\xff\xfe\n", "x")
    assert.same({ "\xff\xfe\n" }, names(dir))
    assert.equal("x", fs.read(dir .. "/\xff\xfe\n"))
  end)

  it("says of a path with a slash at its end what the system says", function()
    local dir <const>, _ <close> = temp_dir()
    assert.equal("EISDIR", failure(fs.write, dir .. "/new/", "x").code)
    fs.write(dir .. "/file", "x")
    assert.equal("ENOTDIR", failure(fs.read, dir .. "/file/").code)
  end)

  it("reads files that tell no size", function()
    assert.matches("Name:", fs.read "/proc/self/status")
    assert.matches("MemTotal", fs.read "/proc/meminfo")
    assert.equal("", fs.read "/dev/null")
  end)

  it("stops at a limit and names it", function()
    local err = failure(fs.read, "/dev/zero", { limit = 100000 })
    assert.equal("LIMIT", err.code)
    assert.equal("/dev/zero", err.path)
    assert.matches("more than 100000 bytes", err.message)
    local dir <const>, _ <close> = temp_dir()
    fs.write(dir .. "/a", ("x"):rep(11))
    assert.equal("LIMIT", failure(fs.read, dir .. "/a", { limit = 10 }).code)
    assert.equal(11, #fs.read(dir .. "/a", { limit = 11 }))
  end)

  it("names an unknown option", function()
    assert.matches("unknown option 'atomc'", failure(fs.write, "/tmp/x", "", { atomc = true }))
    assert.matches("unknown option 'size'", failure(fs.read, "/tmp/x", { size = 1 }))
    assert.matches("unknown option 'recursiv'", failure(fs.remove, "/tmp/x", { recursiv = true }))
  end)

  it("appends, and sets the mode of a new file", function()
    local dir <const>, _ <close> = temp_dir()
    local file = dir .. "/log"
    fs.write(file, "a", { append = true, mode = "600" })
    fs.write(file, "b", { append = true })
    assert.equal("ab", fs.read(file))
    assert.equal(tonumber("600", 8), fs.stat(file).mode)
    assert.matches("octal", failure(fs.write, file, "", { mode = "9" }))
  end)

  it("replaces a file atomically, keeps its mode and its link, and leaves nothing behind", function()
    local dir <const>, _ <close> = temp_dir()
    local file, link = dir .. "/conf", dir .. "/link"
    fs.write(file, "old", { mode = "640" })
    fs.chmod(file, "640")
    fs.symlink("conf", link)
    local inode = fs.stat(file).inode
    fs.write(link, "new", { atomic = true })
    assert.equal("new", fs.read(file))
    assert.not_equal(inode, fs.stat(file).inode)
    assert.equal("link", fs.lstat(link).type)
    assert.equal(tonumber("640", 8), fs.stat(file).mode)
    assert.same({ "conf", "link" }, names(dir))
    assert.equal("ENOENT", failure(fs.write, dir .. "/no/x", "", { atomic = true }).code)
  end)

  it("shows readers of an atomically written file a whole version, always", function()
    local dir <const>, _ <close> = temp_dir()
    local file = dir .. "/data"
    local function version(i)
      return (string.char(65 + i % 26)):rep(100000)
    end
    fs.write(file, version(0), { atomic = true })
    rille.group(function(g)
      local done = false
      g:spawn(function()
        for i = 1, 5 do
          fs.write(file, version(i), { atomic = true })
        end
        done = true
      end)
      while not done do
        local data = fs.read(file)
        assert.equal(100000, #data)
        assert.is_nil(data:find("[^" .. data:sub(1, 1) .. "]"))
      end
    end)
  end)

  it("tells of a full disk", function()
    for _, opts in ipairs { { sync = true }, { append = true }, { atomic = true }, {} } do
      local err = failure(fs.write, "/dev/full", "x", opts)
      assert.equal("ENOSPC", err.code)
      assert.equal("write", err.op)
      assert.equal("/dev/full", err.path)
    end
    assert.equal("character", fs.stat("/dev/full").type)
  end)

  it("leaves the old file when an atomic write runs out of space", function()
    local dir <const>, _ <close> = temp_dir()
    local mounted = process.run { "mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", dir }
    if mounted.code ~= 0 then
      return pending "may not mount a tmpfs here"
    end
    local ok, err = pcall(function()
      fs.write(dir .. "/a", "old")
      local failed = failure(fs.write, dir .. "/a", ("x"):rep(400000), { atomic = true })
      assert.equal("ENOSPC", failed.code)
      assert.equal("old", fs.read(dir .. "/a"))
      assert.same({ "a" }, names(dir))
      assert.equal("ENOSPC", failure(fs.write, dir .. "/b", ("x"):rep(400000)).code)
      fs.remove(dir .. "/b")
      fs.write(dir .. "/big", ("x"):rep(150000))
      assert.equal("ENOSPC", failure(fs.copy, dir .. "/big", dir .. "/copy").code)
      assert.is_false(fs.exists(dir .. "/copy"))
      local file = fs.open(dir .. "/c", "w")
      file:write(("x"):rep(60000)):write(("y"):rep(60000))
      assert.equal("ENOSPC", failure(file.close, file).code)
    end)
    process.run { "umount", dir, check = true }
    assert(ok, err)
  end)

  it("reads a FIFO when someone writes to it, and blocks nothing meanwhile", function()
    local dir <const>, _ <close> = temp_dir()
    local fifo = dir .. "/fifo"
    process.run { "mkfifo", fifo, check = true }
    local reads = {}
    for i = 1, 8 do -- more than the file pool has threads
      reads[i] = rille.async(function()
        return rille.move_on_after(0.3, fs.read, fifo)
      end)()
    end
    assert.equal("", fs.read "/dev/null")
    for _, read in ipairs(reads) do
      assert.is_false((read:await()))
    end
    local reader = rille.async(fs.read)(fifo)
    process.run { "sh", "-c", "printf 'through the fifo' > " .. fifo, check = true }
    assert.equal("through the fifo", reader:await())
    assert.equal("ENXIO", failure(fs.open, fifo, "w").code)
  end)

  it("cancels a read that is queued, and one that runs", function()
    local finished = rille.move_on_after(0.05, function()
      fs.read("/dev/zero", { limit = 1 << 40 })
    end)
    assert.is_false(finished)
    local dir <const>, _ <close> = temp_dir()
    rille.group(function(g)
      for _ = 1, 50 do
        g:spawn(fs.write, dir .. "/x", ("x"):rep(1000000))
      end
      rille.yield()
      g:cancel()
    end)
    assert.is_true(#names(dir) <= 1)
  end)

  it("copies files with their mode, and refuses what would lose data", function()
    local dir <const>, _ <close> = temp_dir()
    local a, b = dir .. "/a", dir .. "/b"
    fs.write(a, ("copy "):rep(100000))
    fs.chmod(a, "751")
    fs.copy(a, b)
    assert.is_true(fs.read(a) == fs.read(b))
    assert.equal(tonumber("751", 8), fs.stat(b).mode)
    assert.equal("EINVAL", failure(fs.copy, a, a).code)
    assert.equal(500000, fs.stat(a).size)
    assert.equal("EISDIR", failure(fs.copy, dir, b).code)
    fs.copy("/proc/self/status", b)
    assert.matches("Name:", fs.read(b))
  end)
end)

describe("rille.fs: open files", function()
  it("reads with every format of io", function()
    local dir <const>, _ <close> = temp_dir()
    fs.write(dir .. "/t", "one\ntwo\n42 rest\nlast")
    local file <close> = fs.open(dir .. "/t")
    assert.equal("one", file:read "l")
    assert.equal("two\n", file:read "L")
    assert.equal(42, file:read "n")
    assert.equal(" r", file:read(2))
    assert.equal("est\nlast", file:read "a")
    assert.is_nil(file:read "l")
    assert.equal("", file:read "a")
  end)

  it("iterates over lines of a large file", function()
    local dir <const>, _ <close> = temp_dir()
    local lines = {}
    for i = 1, 50000 do
      lines[i] = ("line %d"):format(i)
    end
    fs.write(dir .. "/t", table.concat(lines, "\n") .. "\n")
    local file <close> = fs.open(dir .. "/t")
    local count = 0
    for line in file:lines() do
      count = count + 1
      if lines[count] ~= line then
        error(("line %d is %s"):format(count, line))
      end
    end
    assert.equal(50000, count)
  end)

  it("raises LIMIT for a line without an end, and drops nothing", function()
    local dir <const>, _ <close> = temp_dir()
    fs.write(dir .. "/t", ("x"):rep(1200000))
    local file <close> = fs.open(dir .. "/t")
    assert.equal("LIMIT", failure(file.read, file, "l").code)
    assert.equal(1200000, #file:read "a")
  end)

  it("has one position for reading and writing, which seek moves", function()
    local dir <const>, _ <close> = temp_dir()
    local file <close> = fs.open(dir .. "/t", "w+")
    file:write("hello ", "world")
    assert.equal(11, file:seek())
    assert.equal(0, file:seek "set")
    assert.equal("hello", file:read(5))
    assert.equal(5, file:seek())
    file:write "-"
    assert.equal("world", file:read "a")
    assert.equal(6, file:seek("cur", -5))
    assert.equal(6, file:seek("end", -5))
    file:write "W"
    assert.equal(0, file:seek("set", 0))
    assert.equal("hello-World", file:read "a")
    assert.equal("EINVAL", failure(file.seek, file, "set", -1).code)
  end)

  it("appends wherever the position is", function()
    local dir <const>, _ <close> = temp_dir()
    fs.write(dir .. "/t", "abc")
    local file = fs.open(dir .. "/t", "a+")
    file:seek "set"
    assert.equal("a", file:read(1))
    file:write "d"
    file:close()
    assert.equal("abcd", fs.read(dir .. "/t"))
  end)

  it("goes on reading after the end when seek asks again", function()
    local dir <const>, _ <close> = temp_dir()
    fs.write(dir .. "/t", "a")
    local file <close> = fs.open(dir .. "/t")
    assert.equal("a", file:read "a")
    fs.write(dir .. "/t", "b", { append = true })
    file:seek("cur", 0)
    assert.equal("b", file:read "a")
  end)

  it("truncates, tells its size, and syncs", function()
    local dir <const>, _ <close> = temp_dir()
    local file <close> = fs.open(dir .. "/t", "w+")
    file:write(("x"):rep(100000))
    assert.equal(100000, file:stat().size)
    file:truncate(10)
    assert.equal(10, file:stat().size)
    file:sync()
    file:truncate(20)
    file:seek("set", 5)
    assert.equal("xxxxx" .. ("\0"):rep(10), file:read "a")
  end)

  it("writes many small pieces in order", function()
    local dir <const>, _ <close> = temp_dir()
    local file = fs.open(dir .. "/t", "w")
    local pieces = {}
    for i = 1, 20000 do
      pieces[i] = i .. ","
      file:write(pieces[i])
    end
    file:close()
    assert.is_true(fs.read(dir .. "/t") == table.concat(pieces))
  end)

  it("tells of lost bytes at close and at sync", function()
    local file = fs.open("/dev/full", "w")
    file:write "x"
    local err = failure(file.close, file)
    assert.equal("ENOSPC", err.code)
    assert.equal("/dev/full", err.path)
    local again = fs.open("/dev/full", "w")
    again:write "x"
    assert.equal("ENOSPC", failure(again.sync, again).code)
    pcall(again.close, again)
    local ok, closed = pcall(function()
      local third <close> = fs.open("/dev/full", "w")
      third:write "x"
    end)
    assert.is_false(ok)
    assert.equal("ENOSPC", closed.code)
  end)

  it("refuses what the mode does not allow", function()
    local dir <const>, _ <close> = temp_dir()
    fs.write(dir .. "/t", "x")
    assert.equal("EEXIST", failure(fs.open, dir .. "/t", "wx").code)
    assert.matches("invalid mode", failure(fs.open, dir .. "/t", "q"))
    assert.matches("invalid mode", failure(fs.open, dir .. "/t", "rx"))
    local file = fs.open(dir .. "/t", "r")
    local err = failure(function()
      file:write("x"):flush()
    end)
    assert.equal("EBADF", err.code)
    pcall(file.close, file)
    local other <close> = fs.open(dir .. "/t", "a")
    assert.equal("EBADF", failure(other.read, other, 1).code)
  end)

  it("says CLOSED after close, and closes twice in peace", function()
    local file = fs.open "/dev/null"
    file:close()
    file:close()
    assert.equal("CLOSED", failure(file.read, file).code)
    assert.equal("CLOSED", failure(file.stat, file).code)
  end)

  it("sees a file cut while it is read", function()
    local dir <const>, _ <close> = temp_dir()
    fs.write(dir .. "/t", ("x"):rep(500000))
    local file <close> = fs.open(dir .. "/t")
    local first = #file:read(100000)
    fs.write(dir .. "/t", "")
    assert.is_true(first + #file:read "a" < 500000)
  end)

  it("opens with O_CLOEXEC, so that no child inherits it", function()
    local _ <close> = fs.open "/dev/null"
    local fds = process.run { "ls", "/proc/self/fd", stdin = "", check = true }.stdout
    assert.equal("0\n1\n2\n3\n", fds) -- 3 is ls reading the directory
  end)

  it("makes temporary files that are new and private", function()
    local dir <const>, _ <close> = temp_dir()
    local file <close>, name = fs.temp_file { dir = dir, prefix = "t-" }
    assert.equal(tonumber("600", 8), file:stat().mode)
    assert.matches("^t%-%x+$", path.basename(name))
    file:write "x"
    file:flush()
    assert.equal("x", fs.read(name))
    assert.equal(tonumber("700", 8), fs.stat(dir).mode)
  end)
end)

describe("rille.fs: directories and names", function()
  it("names the line of the caller when an argument is wrong", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local _, err = pcall(function() fs.stat(nil) end)
    assert.matches(("fs_spec.lua:%d: bad argument #1 to 'stat'"):format(line), err, 1, true)
  end)

  it("lists a large directory with types", function()
    local dir <const>, _ <close> = temp_dir()
    for i = 1, 2000 do
      fs.link(i == 1 and "/proc/self/exe" and (function()
        fs.write(dir .. "/0", "")
        return dir .. "/0"
      end)() or dir .. "/0", dir .. "/" .. i)
    end
    fs.mkdir(dir .. "/sub")
    fs.symlink("nowhere", dir .. "/link")
    local count, types = 0, {}
    for name, kind in fs.list(dir) do
      count = count + 1
      types[kind] = (types[kind] or 0) + 1
      assert.is_true(name ~= "." and name ~= "..")
    end
    assert.equal(2003, count)
    assert.same({ file = 2001, directory = 1, link = 1 }, types)
  end)

  it("closes a directory whose loop is left, and tells of one that is not there", function()
    local entries = select(2, fs.list "/proc")
    entries:close()
    for _, kind in fs.list "/proc" do
      if kind == "directory" then
        break
      end
    end
    assert.equal("ENOENT", failure(fs.list, "/no/such").code)
    assert.equal("opendir", failure(fs.list, "/no/such").op)
    assert.equal("ENOTDIR", failure(fs.list, "/dev/null").code)
  end)

  it("loses no name of a walk to a cancel", function()
    local dir <const>, _ <close> = temp_dir()
    local deep, seen = dir, 0
    for _ = 1, 20 do
      deep = deep .. "/d"
      fs.mkdir(deep)
    end
    local walk, state, _, closing = fs.walk(dir)
    local _ <close> = closing
    local ended
    repeat
      local name
      rille.group(function(g)
        g:spawn(g.cancel, g)
        name = walk(state)
        ended = name == nil
      end)
      if not name and not ended then name = walk(state) end
      if name then seen = seen + 1 end
    until ended
    assert.equal(20, seen)
  end)

  it("walks a tree, parents first, without following links", function()
    local dir <const>, _ <close> = temp_dir()
    fs.mkdir(dir .. "/a/b/c", { parents = true })
    fs.write(dir .. "/a/b/f", "")
    fs.symlink("..", dir .. "/a/up")
    local order, types = {}, {}
    for file, kind in fs.walk(dir) do
      order[path.relative(file, dir)] = #types
      types[#types + 1] = kind
    end
    assert.equal(5, #types)
    assert.is_true(order["a"] < order["a/b"] and order["a/b"] < order["a/b/c"])
    assert.equal("link", types[order["a/up"] + 1])
    local shallow = {}
    for file in fs.walk(dir, { max_depth = 1 }) do
      shallow[#shallow + 1] = file
    end
    assert.same({ dir .. "/a" }, shallow)
  end)

  it("finds what a pattern matches, sorted", function()
    local dir <const>, _ <close> = temp_dir()
    fs.mkdir(dir .. "/src/deep/er", { parents = true })
    for _, name in ipairs { "a.c", "b.c", "a.h", ".hidden.c", "[x].c" } do
      fs.write(dir .. "/src/" .. name, "")
    end
    fs.write(dir .. "/src/deep/d.c", "")
    fs.write(dir .. "/src/deep/er/e.c", "")
    local function glob(pattern)
      local found = {}
      for i, file in ipairs(fs.glob(dir .. "/" .. pattern)) do
        found[i] = path.relative(file, dir)
      end
      return found
    end
    assert.same({ "src/[x].c", "src/a.c", "src/b.c" }, glob "src/*.c")
    assert.same({ "src/a.c", "src/a.h" }, glob "src/a.?")
    assert.same({ "src/.hidden.c" }, glob "src/.*")
    assert.same({ "src/a.c", "src/a.h", "src/b.c" }, glob "src/[ab].{c,h}")
    assert.same({ "src/b.c" }, glob "src/[!a].c")
    assert.same({ "src/[x].c" }, glob "src/\\[x].c")
    assert.same({ "src/[x].c", "src/a.c", "src/b.c", "src/deep/d.c", "src/deep/er/e.c" }, glob "**/*.c")
    assert.same({ "src/deep/d.c" }, glob "src/*/d.c")
    assert.same({ "src/a.c" }, glob "src/a.c")
    assert.same({}, glob "none/*")
    local called = {}
    for file in fs.glob(dir .. "/src/?.c") do
      called[#called + 1] = path.basename(file)
    end
    assert.same({ "a.c", "b.c" }, called)
  end)

  it("makes and removes trees", function()
    local dir <const>, _ <close> = temp_dir()
    fs.mkdir(dir .. "/a/b/c", { parents = true })
    fs.mkdir(dir .. "/a/b/c", { parents = true })
    assert.equal("EEXIST", failure(fs.mkdir, dir .. "/a").code)
    assert.equal("ENOTEMPTY", failure(fs.remove, dir .. "/a").code)
    fs.write(dir .. "/a/f", "")
    fs.remove(dir .. "/a", { recursive = true })
    assert.is_false(fs.exists(dir .. "/a"))
    assert.equal("ENOENT", failure(fs.remove, dir .. "/a", { recursive = true }).code)
    assert.equal("ENOENT", failure(fs.remove, dir .. "/a").code)
    fs.write(dir .. "/f", "")
    fs.remove(dir .. "/f", { recursive = true })
    assert.equal("EINVAL", failure(fs.remove, dir .. "/.", { recursive = true }).code)
    assert.equal("EINVAL", failure(fs.remove, "/", { recursive = true }).code)
  end)

  it("removes very deep trees", function()
    local dir <const>, _ <close> = temp_dir()
    local fifty = ("d/"):rep(50)
    local line = ("for i in $(seq 30); do mkdir -p %s; cd -P %s; : > f; done"):format(fifty, fifty)
    process.run { line, shell = true, cwd = dir, check = true }
    fs.remove(dir .. "/d", { recursive = true })
    assert.same({}, names(dir))
  end)

  it("never leaves a tree through a link when it removes it", function()
    local dir <const>, _ <close> = temp_dir()
    fs.mkdir(dir .. "/keep/inner", { parents = true })
    fs.write(dir .. "/keep/inner/file", "kept")
    fs.mkdir(dir .. "/tree/sub", { parents = true })
    fs.symlink("../../keep", dir .. "/tree/sub/out")
    fs.symlink("keep", dir .. "/link")
    fs.remove(dir .. "/link/", { recursive = true })
    fs.remove(dir .. "/tree", { recursive = true })
    assert.equal("kept", fs.read(dir .. "/keep/inner/file"))
    assert.same({ "keep" }, names(dir))
  end)

  it("survives someone who swaps directories for links meanwhile", function()
    local dir <const>, _ <close> = temp_dir()
    fs.mkdir(dir .. "/keep")
    fs.write(dir .. "/keep/file", "kept")
    local swapper <close> = process.spawn {
      "sh", "-c",
      "while :; do mv tree/a tree/b; ln -s ../keep tree/a; rm -f tree/a; mv tree/b tree/a; done 2>/dev/null",
      cwd = dir, stdin = "null", stdout = "null", stderr = "null",
    }
    for _ = 1, 15 do
      pcall(fs.mkdir, dir .. "/tree/a/b/c", { parents = true })
      for i = 1, 20 do
        pcall(fs.write, dir .. "/tree/a/" .. i, "")
      end
      pcall(fs.remove, dir .. "/tree", { recursive = true })
    end
    swapper:close()
    assert.equal("kept", fs.read(dir .. "/keep/file"))
  end)

  it("renames, links, and reads links", function()
    local dir <const>, _ <close> = temp_dir()
    fs.write(dir .. "/a", "x")
    fs.rename(dir .. "/a", dir .. "/b")
    fs.link(dir .. "/b", dir .. "/c")
    assert.equal(2, fs.stat(dir .. "/c").links)
    fs.symlink("c", dir .. "/d")
    assert.equal("c", fs.readlink(dir .. "/d"))
    assert.equal(fs.realpath(dir) .. "/c", fs.realpath(dir .. "/d"))
    assert.equal("EINVAL", failure(fs.readlink, dir .. "/c").code)
    local err = failure(fs.symlink, "x", dir .. "/d")
    assert.equal("EEXIST", err.code)
    assert.equal(dir .. "/d", err.path)
    assert.equal("ENOENT", failure(fs.rename, dir .. "/no", dir .. "/x").code)
  end)

  it("sets modes and times", function()
    local dir <const>, _ <close> = temp_dir()
    local file = dir .. "/f"
    fs.write(file, "")
    fs.chmod(file, tonumber("604", 8))
    assert.is_false(pcall(fs.chmod, file)) -- it does not become 000
    fs.utime(file, 1000.5, 2000.25)
    local st = fs.stat(file)
    assert.equal(tonumber("604", 8), st.mode)
    assert.equal(1000.5, st.atime)
    assert.equal(2000.25, st.mtime)
    fs.utime(file)
    assert.is_true(math.abs(fs.stat(file).mtime - os.time()) < 5)
    fs.chown(file, st.uid, st.gid)
    assert.is_false(pcall(fs.utime, file, 0 / 0))
    assert.is_false(pcall(fs.utime, file, 1, math.huge))
  end)

  it("knows what is there", function()
    local dir <const>, _ <close> = temp_dir()
    fs.symlink("nowhere", dir .. "/dangling")
    assert.is_true(fs.exists(dir))
    assert.is_false(fs.exists(dir .. "/x"))
    assert.is_false(fs.exists(dir .. "/dangling"))
    assert.is_false(fs.exists "/dev/null/x")
    assert.equal("link", fs.lstat(dir .. "/dangling").type)
    assert.equal("ENAMETOOLONG", failure(fs.exists, ("x"):rep(5000)).code)
  end)

  it("removes a temporary directory when its guard is closed", function()
    local kept
    do
      local dir <const>, _ <close> = fs.temp_dir { prefix = "spec-" }
      kept = dir
      fs.mkdir(dir .. "/a")
      fs.write(dir .. "/a/b", "")
      assert.matches("/spec%-%x+$", dir)
    end
    assert.is_false(fs.exists(kept))
  end)
end)

describe("rille.fs: cancellation", function()
  local function descriptors()
    collectgarbage()
    return #names "/proc/self/fd"
  end

  -- Everything a script may wait for here, one after another.
  local function all_calls(dir)
    fs.write(dir .. "/a", "one\ntwo\n", { atomic = true })
    fs.read(dir .. "/a")
    local file <close> = fs.open(dir .. "/a", "r+")
    file:read "l"
    file:seek("end", 0)
    file:write("three"):flush()
    file:stat()
    file:sync()
    for _ in fs.walk(dir) do
      fs.exists(dir)
    end
    fs.glob(dir .. "/*")
    local watch <close> = fs.watch(dir, { recursive = true })
    fs.copy(dir .. "/a", dir .. "/b")
    watch:next()
    local child <close> = process.spawn { "cat", grace = 1 }
    child.stdin:write("x"):shutdown()
    child.stdout:read "a"
    child:wait()
    local inner <const>, _ <close> = fs.temp_dir { dir = dir }
    fs.mkdir(inner .. "/x/y", { parents = true })
    fs.remove(inner .. "/x", { recursive = true })
  end

  it("ends at every wait in turn, and leaves no descriptor, child or temporary file", function()
    local dir <const>, _ <close> = temp_dir()
    all_calls(dir)
    local before = descriptors()
    for turns = 0, 60 do
      local target <const>, _ <close> = temp_dir()
      local task = rille.group(function(g)
        local task = g:async(all_calls, target)
        for _ = 1, turns do
          rille.yield()
        end
        if turns % 2 == 1 then
          rille.sleep(turns * 0.0003)
        end
        task:cancel()
        return task
      end)
      local ok, err = pcall(task.await, task)
      assert.is_true(ok or err.code == "CANCELLED", tostring(err))
      for _, name in ipairs(names(target)) do
        assert.is_true(name == "a" or name == "b", name)
      end
    end
    for _ = 1, 100 do
      if descriptors() <= before then
        break
      end
      rille.sleep(0.01)
    end
    assert.is_true(descriptors() <= before)
  end)
end)
