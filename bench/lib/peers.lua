-- Who is measured: how each runs a program, and whether it is installed.
local build = os.getenv("BUILD") or "build"

local function succeeds(command)
  return os.execute(command .. " >/dev/null 2>&1") == true
end

local function succeeds_here(command)
  return os.execute(command) == true
end

-- The Python that has uvloop, if any has.
local function find_python()
  for _, python in ipairs { "python3", "/usr/bin/python3" } do
    if succeeds(python .. " -c 'import uvloop'") then return python end
  end
  return "python3"
end

local python = find_python()

local peers = {
  { name = "rille", file = "rille.lua", run = build .. "/rille", probe = "-e 'local r = require \"rille\"'" },
  { name = "lua", file = "lua.lua", run = "lua5.4", probe = "-v", version = "-v" },
  { name = "c", file = "c.c", compiled = true },
  { name = "luv", file = "luv.lua", run = "lua5.4", probe = "-l luv" },
  { name = "cqueues", file = "cqueues.lua", run = "lua5.4", probe = "-l cqueues" },
  { name = "asyncio", file = "python.py", run = python, probe = "-V" },
  { name = "uvloop", file = "python.py", run = python, tail = " uvloop", probe = "-c 'import uvloop'" },
  { name = "node", file = "node.js", run = "node", probe = "-v" },
  { name = "nginx", file = "nginx.sh", run = "sh", probe = "-c 'command -v nginx || test -x /usr/sbin/nginx'" },
  { name = "cjson", file = "cjson.lua", run = "lua5.4", probe = "-l cjson" },
}

local by_name = {}
for _, peer in ipairs(peers) do by_name[peer.name] = peer end

local M = { all = peers, by_name = by_name, build = build, succeeds = succeeds, succeeds_here = succeeds_here }

--- Whether the peer is installed; asked once.
function M.available(peer)
  if peer.available == nil then
    peer.available = peer.compiled or succeeds(peer.run .. " " .. peer.probe)
  end
  return peer.available
end

-- Compiles a C floor, or a tool of bench/tools, once; returns where it is, or nil and the compiler's words.
function M.compile(source)
  local name = source:gsub("^bench/", ""):gsub("%.c$", ""):gsub("/", "_")
  local binary = build .. "/bench/" .. name
  os.execute("mkdir -p " .. build .. "/bench")
  local command = ("{ [ %s -nt %s ] || ${CC:-cc} -O2 -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -o %s %s " ..
    "$(pkg-config --cflags --libs libuv) -lcrypto -lpthread; } 2>&1"):format(binary, source, binary, source)
  local pipe <close> = assert(io.popen(command))
  local words = pipe:read("a")
  if not pipe:close() then return nil, words end
  return binary
end

local function exists(path)
  local file = io.open(path)
  return file and file:close()
end

--- The command that runs `peer`'s program of a work with `args`, or nil if there is none.
function M.command(peer, directory, args)
  local source = directory .. "/" .. peer.file
  if not exists(source) or not M.available(peer) then return nil end
  if peer.compiled then return assert(M.compile(source)) .. " " .. args end
  return peer.run .. " " .. source .. " " .. args .. (peer.tail or "")
end

return M
