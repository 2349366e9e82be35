-- A tour of rille: timers side by side, a TCP server and its clients, files hashed on all cores, a timeout that cancels.
-- Each step is timed, and done once more in sequence where that can be compared.
local rille = require "rille"
local fs, hash, net = rille.fs, rille.hash, rille.net

local function step(title)
  print(("\n== %s"):format(title))
end

local function timed(f, ...)
  local start = rille.now()
  local result = f(...)
  return rille.now() - start, result
end

local function compare(what, parallel, sequence)
  print(("   %s: %.3f s side by side, %.3f s in sequence (%.1f times)"):format(what, parallel, sequence, sequence / parallel))
end

step "Timers: ten tasks sleep 0.1 s each"

local function nap()
  rille.sleep(0.1)
end

local naps = {}
for i = 1, 10 do
  naps[i] = nap
end
local parallel = timed(rille.gather, naps)
local sequence = timed(function()
  for i = 1, 10 do
    naps[i]()
  end
end)
compare("ten naps", parallel, sequence)

step "TCP: a server and 100 clients in one program"

local CLIENTS, ROUNDS = 100, 10

local function shout(conn)
  for line in conn:lines() do
    conn:write(line:upper(), "\n")
  end
end

local function client(address)
  local conn <close> = net.connect(address)
  for i = 1, ROUNDS do
    conn:write(("hello %d\n"):format(i))
    assert(conn:read "l" == "HELLO " .. i)
  end
  return ROUNDS
end

local answers = 0
local elapsed = timed(rille.group, function(g)
  local listener <close> = net.listen("127.0.0.1", 0)
  g:spawn(net.serve, listener, shout)
  local clients = {}
  for i = 1, CLIENTS do
    clients[i] = function()
      local got = client(listener:address())
      answers = answers + got
    end
  end
  rille.gather(clients)
  g:cancel() -- ends the server
end)
print(("   %d clients, %d answers in %.3f s (%.0f answers/s)"):format(CLIENTS, answers, elapsed, answers / elapsed))

step "Files: a directory hashed on all cores"

local FILES, SIZE = 16, 4 * 1024 * 1024
local dir, _ <close> = fs.temp_dir()
local block = hash.random(64 * 1024):rep(SIZE // (64 * 1024))
local paths = {}
for i = 1, FILES do
  paths[i] = ("%s/%02d.bin"):format(dir, i)
end
rille.map(paths, function(path, i)
  fs.write(path, string.char(64 + i) .. block)
end)

local function sha256(path)
  return hash.file(path, "sha256")
end

local sums, sums_again
parallel, sums = timed(rille.map, paths, sha256)
sequence, sums_again = timed(rille.map, paths, sha256, { concurrency = 1 })
for i = 1, FILES do
  assert(sums[i] == sums_again[i])
end
compare(("SHA-256 of %d files of %d MiB on %d cores"):format(FILES, SIZE >> 20, rille.os.cpus()), parallel, sequence)

step "A timeout cancels all that runs inside it"

local cleaned = 0

local function worker()
  local _ <close> = setmetatable({}, {
    __close = function()
      rille.sleep(0.01) -- cleanup may wait
      cleaned = cleaned + 1
    end,
  })
  rille.sleep(3600)
end

elapsed = timed(function()
  local ok, err = pcall(rille.timeout, 0.2, rille.gather, worker, worker, worker)
  print(("   %s; %d of 3 workers cleaned up"):format(ok and "completed" or tostring(err), cleaned))
end)
print(("   three tasks that would have slept an hour ended after %.3f s"):format(elapsed))
assert(cleaned == 3)

print "\nThat was the tour."
