-- What is done while system calls fail: each a piece of Lua that raises what it was told, or checks that every byte is
-- where it belongs; and the calls that fail in it, with the errors they fail with; `on` is the one file they fail on. Not
-- here is what libuv itself answers by ending the process, since it never happens to it: its own eventfd that cannot be
-- read or written, epoll_ctl, the first thread of its pool.
local preamble = [[
local rille, net, fs, process = require "rille", require "rille.net", require "rille.fs", require "rille.process"
local dir = arg[1]
local function echo(c) for chunk in c:chunks() do c:write(chunk) end end
local function served(listen, talk)
  local l <close> = net.listen(table.unpack(listen))
  local failure
  rille.group(function(g)
    local server = g:async(net.serve, l, echo, { on_error = function(err) failure = err end })
    local ok, err = pcall(talk, l)
    server:cancel()
    if not ok then error(failure or err, 0) end
  end)
end
local function whole(c, n)
  local text = ("0123456789abcdef"):rep(n // 16)
  rille.gather(function() c:write(text):shutdown() end, function()
    if c:read "a" ~= text then error("bytes were lost", 0) end
  end)
end
]]

local file = { "EIO", "EINTR" }

return {
  {
    name = "a file, written, read and changed",
    script = preamble .. [[
      local path, text = dir .. "/new", ("line\n"):rep(40000)
      do
        local f <close> = fs.open(path, "w+")
        f:write(text)
        f:flush()
        f:seek("set")
        if f:read "a" ~= text then error("bytes were lost", 0) end
        f:sync()
        f:truncate(5)
        f:close()
      end
      if fs.read(path) ~= "line\n" then error("bytes were lost", 0) end
      fs.rename(path, dir .. "/other")
      fs.remove(dir .. "/other")
    ]],
    calls = {
      openat = { "EMFILE", "EACCES", "EINTR" }, pread64 = file, pwrite64 = { "ENOSPC", "EINTR" },
      fsync = { "EIO" }, ftruncate = { "EFBIG" }, rename = { "EXDEV" }, unlink = { "EPERM" }, close = { "EIO" },
      read = { "EIO", "EINTR", on = "/new" }, lseek = { "EINVAL" }, fstat = { "EIO" }, newfstatat = { "EIO" },
    },
  },
  {
    name = "a file, replaced atomically",
    script = preamble .. [[
      fs.write(dir .. "/old", "old")
      local new = ("new"):rep(100000)
      local ok, err = pcall(fs.write, dir .. "/old", new, { atomic = true })
      local text = rille.try(fs.read, dir .. "/old")
      if text and text ~= new and (ok or text ~= "old") then error("half a file", 0) end
      if not ok then error(err, 0) end
    ]],
    calls = {
      openat = { "EMFILE", "EACCES" }, fsync = { "EIO" }, rename = { "EIO" },
      fchmod = { "EPERM" }, close = { "EIO" },
    },
  },
  {
    name = "directories",
    script = preamble .. [[
      fs.mkdir(dir .. "/a/b/c", { parents = true })
      for i = 1, 10 do fs.write(dir .. "/a/b/" .. i, "x") end
      local count = 0
      for _ in fs.walk(dir .. "/a") do count = count + 1 end
      if count < 12 then error("entries were lost: " .. count, 0) end
      fs.remove(dir .. "/a", { recursive = true })
      if fs.exists(dir .. "/a") then error("it is still there", 0) end
    ]],
    calls = {
      mkdir = { "EROFS" }, openat = { "EMFILE", "ENFILE" }, getdents64 = { "EIO" }, unlinkat = { "EBUSY" },
      write = { "ENOSPC", "EINTR", on = "/a/b/5" }, newfstatat = { "EIO" }, fstat = { "EIO" },
    },
  },
  {
    name = "TCP, both ways",
    script = preamble .. [[
      served({ "127.0.0.1", 0 }, function(l)
        local c <close> = net.connect(l:address())
        whole(c, 1 << 20)
      end)
    ]],
    calls = {
      socket = { "EMFILE", "ENOBUFS" }, bind = { "EADDRINUSE" }, listen = { "EADDRINUSE" }, connect = { "ENETUNREACH" },
      accept4 = { "EMFILE", "ECONNABORTED", "EINTR" }, sendto = { "ECONNRESET", "EINTR", "EAGAIN", "ENOBUFS" },
      write = { "EINTR", "EPIPE" }, recvfrom = { "ECONNRESET", "EINTR", "EAGAIN" }, shutdown = { "ENOTCONN" },
      getsockname = { "ENOBUFS" }, setsockopt = { "EINVAL" }, epoll_wait = { "EINTR" },
    },
  },
  {
    name = "a Unix socket, both ways",
    script = preamble .. [[
      served({ { path = dir .. "/s" } }, function(l)
        local c <close> = net.connect { path = dir .. "/s" }
        whole(c, 1 << 20)
      end)
    ]],
    calls = {
      socket = { "EMFILE" }, bind = { "EACCES" }, connect = { "EACCES", "EAGAIN" }, accept4 = { "ENFILE", "EINTR" },
      read = { "ECONNRESET", "EINTR", "EAGAIN" }, write = { "EPIPE", "EINTR", "EAGAIN" }, shutdown = { "ENOTCONN" },
    },
  },
  {
    name = "datagrams",
    script = preamble .. [[
      local a <close>, _ = net.udp { host = "127.0.0.1", port = 0 }
      local b <close> = net.udp { host = "127.0.0.1", port = 0 }
      b:send("question", "127.0.0.1", a:address().port)
      local text = rille.timeout(2, a.recv, a)
      if text ~= "question" then error("another datagram", 0) end
    ]],
    calls = {
      socket = { "EMFILE" }, bind = { "EADDRINUSE" }, sendmsg = { "ENETUNREACH", "EINTR" }, recvmsg = { "ECONNREFUSED", "EINTR" },
    },
  },
  {
    name = "a process and its pipes",
    script = preamble .. [[
      local text = ("0123456789abcdef"):rep(20000)
      local r = process.run { "cat", stdin = text }
      if r.code == 0 and r.stdout ~= text then error("bytes were lost", 0) end
      if r.code ~= 0 then error("cat: " .. r.stderr, 0) end
    ]],
    calls = {
      pipe2 = { "EMFILE" }, clone3 = { "EAGAIN", "ENOMEM" }, pidfd_open = { "EMFILE" }, execve = { "EACCES", "ENOMEM" },
      dup2 = { "EBADF" }, fcntl = { "EINVAL" }, wait4 = { "EINTR" }, kill = { "EPERM" },
    },
  },
  {
    name = "names",
    script = preamble .. [[
      local found = rille.dns.lookup("localhost", { family = 4 })
      if found[1] ~= "127.0.0.1" then error("another address", 0) end
    ]],
    calls = { openat = { "EMFILE" }, read = { "EIO" }, socket = { "EMFILE" } },
  },
}
