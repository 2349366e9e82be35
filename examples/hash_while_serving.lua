-- A server's latency while both cores hash: digests run on the CPU pool, so the loop goes on answering.
-- Prints the round trips of a client, first with an idle pool, then with one that is never idle.
local rille = require "rille"
local net = require "rille.net"
local hash = require "rille.hash"

local SECONDS = tonumber(arg[1]) or 0.8
local BLOCK = ("x"):rep(1 << 20)

local function echo(conn)
  for chunk in conn:chunks() do conn:write(chunk) end
end

-- The round trips, in milliseconds and sorted, of one client in so many seconds.
local function ping(address)
  local trips = {}
  local conn <close> = net.connect(address)
  local stop = rille.now() + SECONDS
  while rille.now() < stop do
    local start = rille.now()
    conn:write("ping")
    conn:read(4)
    trips[#trips + 1] = (rille.now() - start) * 1000
    rille.sleep(0.001)
  end
  table.sort(trips)
  return trips
end

local function tell(label, trips)
  local function at(part) return trips[math.max(1, math.ceil(#trips * part))] end
  print(("%-14s %5d round trips, median %.2f ms, 99%% below %.2f ms, worst %.2f ms"):format(
    label, #trips, at(0.5), at(0.99), trips[#trips]))
end

local listener <close> = net.listen("127.0.0.1", 0)
rille.group(function(g)
  g:spawn(net.serve, listener, echo)
  local address = listener:address()
  tell("idle pool", ping(address))

  local bytes, start = 0, rille.now()
  for _ = 1, 4 do
    g:spawn(function()
      while true do
        hash.sha256(BLOCK)
        bytes = bytes + #BLOCK
      end
    end)
  end
  local trips = ping(address)
  tell("while hashing", trips)
  print(("hashed %.2f GB/s meanwhile"):format(bytes / (rille.now() - start) / 1e9))
  g:cancel("done")
end)
