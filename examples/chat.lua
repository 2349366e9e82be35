-- A chat server with rooms, over TCP: one line is one message, "/join ROOM" changes the room. Each member has a queue, so
-- that a slow reader holds up nobody. With a port as argument it serves until Ctrl-C (talk to it with nc); without, three
-- members talk to each other.
--   rille examples/chat.lua [PORT]
local rille = require "rille"
local net = require "rille.net"

local rooms = {}

local function leave(member)
  local room = rooms[member.room]
  if room then room[member] = nil end
  if room and not next(room) then rooms[member.room] = nil end
end

local function tell(room, text, except)
  for member in pairs(rooms[room] or {}) do
    if member ~= except and not member.queue:try_send(text) then
      member.conn:close() -- too slow: it is let go
    end
  end
end

local function join(member, room)
  leave(member)
  rooms[room] = rooms[room] or {}
  rooms[room][member] = true
  member.room = room
  tell(room, ("* %s is in %s"):format(member.name, room))
end

-- A member is in a room until it is closed, however its connection ends.
local Member = {}

function Member.__close(member)
  leave(member)
  tell(member.room, ("* %s has left"):format(member.name))
  member.queue:close()
end

local function chat(conn)
  conn:write "name? "
  local name = conn:read "l"
  if not name then return end
  rille.group(function(g)
    local member <close> = setmetatable({ name = name, conn = conn, queue = rille.channel(100) }, Member)
    g:spawn(function()
      for text in member.queue do conn:write(text, "\n") end
    end)
    join(member, "lobby")
    for line in conn:lines() do
      local room = line:match "^/join%s+(%S+)"
      if room then
        join(member, room)
      else
        tell(member.room, name .. ": " .. line, member)
      end
    end
  end)
end

local listener <close> = net.listen(arg[1] and "*" or "127.0.0.1", math.tointeger(arg[1]) or 0)
print("chat on " .. listener:address())
if arg[1] then return net.serve(listener, chat, { max_connections = 1000 }) end

-- The demonstration.

local function member(name)
  local conn = net.connect(listener:address())
  conn:read_until "name? "
  conn:write(name, "\n")
  return conn
end

-- Reads until a line that holds `text`.
local function expect(who, conn, text)
  for line in conn:lines() do
    print(("%-6s sees  %s"):format(who, line))
    if line:find(text, 1, true) then return end
  end
end

rille.group(function(g)
  local server = g:async(net.serve, listener, chat)
  local ann = member "ann"
  expect("ann", ann, "ann is in lobby")
  local bob = member "bob"
  expect("ann", ann, "bob is in lobby")
  expect("bob", bob, "bob is in lobby")
  bob:write "good morning\n"
  expect("ann", ann, "good morning")
  ann:write "/join garden\n"
  expect("ann", ann, "ann is in garden")
  local cid = member "cid"
  expect("cid", cid, "cid is in lobby")
  cid:write "anybody here?\n"
  expect("bob", bob, "anybody here?")
  for _, conn in ipairs { ann, bob, cid } do conn:close() end
  server:cancel()
end)
