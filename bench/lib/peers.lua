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

-- A program on the PATH, or in what `./dev bench --install-peers` takes from npm.
local function find_packaged(name, pattern)
  if succeeds("command -v " .. name) then return name end
  local pipe <close> = assert(io.popen(("ls -d %s/bench/npm/node_modules/%s 2>/dev/null"):format(build, pattern)))
  return pipe:read("l") or name
end

local has_nginx = "command -v nginx || test -x /usr/sbin/nginx"
local has_nginx_lua = "test -e /usr/lib/nginx/modules/ngx_http_lua_module.so"

local peers = {
  { name = "rille", file = "rille.lua", otherwise = "rille.c", run = build .. "/rille", probe = "-e 'local r = require \"rille\"'" },
  { name = "lua", file = "lua.lua", run = "lua5.4", probe = "-v", version = "-v" },
  { name = "c", file = "c.c", compiled = true },
  { name = "go", file = "go.go", compiled = true, probe = "go version" },
  { name = "luv", file = "luv.lua", run = "lua5.4", probe = "-l luv" },
  { name = "cqueues", file = "cqueues.lua", run = "lua5.4", probe = "-l cqueues" },
  { name = "asyncio", file = "python.py", run = python, probe = "-V" },
  { name = "uvloop", file = "python.py", run = python, tail = " uvloop", probe = "-c 'import uvloop'" },
  { name = "node", file = "node.js", run = "node", probe = "-v" },
  { name = "node_poll", file = "node_poll.js", run = "node", probe = "-v" },
  {
    name = "bun", file = "bun.js", otherwise = "node.js", run = find_packaged("bun", "@oven/bun-linux-*/bin/bun"),
    probe = "--version",
  },
  {
    name = "deno", file = "deno.js", otherwise = "node.js", probe = "--version",
    run = find_packaged("deno", "@deno/linux-*/deno"), verb = " run --allow-all --quiet",
  },
  { name = "nginx", file = "nginx.sh", run = "sh", probe = ("-c '%s'"):format(has_nginx) },
  {
    name = "nginx_lua", file = "nginx.sh", run = "sh", tail = " lua",
    probe = ("-c '{ %s; } && %s'"):format(has_nginx, has_nginx_lua),
  },
  { name = "openssl", file = "openssl.sh", run = "sh", probe = "-c 'command -v openssl'", alone = true },
  { name = "cjson", file = "cjson.lua", run = "lua5.4", probe = "-l cjson" },
}

local by_name = {}
for _, peer in ipairs(peers) do by_name[peer.name] = peer end

local M = { all = peers, by_name = by_name, build = build, succeeds = succeeds, succeeds_here = succeeds_here }

--- Whether the peer is installed; asked once.
function M.available(peer)
  if peer.available == nil then
    peer.available = peer.probe == nil or succeeds((peer.run and peer.run .. " " or "") .. peer.probe)
  end
  return peer.available
end

local compilers = {
  c = "${CC:-cc} -O2 -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -I. -o $out $in $links" ..
    "$(pkg-config --cflags --libs libuv) -lssl -lcrypto -lpthread",
  -- Go wants the files of a program in one directory.
  go = "{ mkdir -p $out.src && cp $in bench/lib/measure.go $out.src && " ..
    "GOCACHE=$PWD/" .. build .. "/bench/go go build -o $out $out.src/*.go; }",
}

-- What a floor that calls Lua needs besides: the archive, as the program has it; and a host of librille.
local lua = "$(pkg-config --cflags lua5.4) -l:liblua5.4.a -lm -ldl "
local host = "$(pkg-config --cflags --libs lua5.4) $(pkg-config --cflags --libs glib-2.0 2>/dev/null) -L" .. build .. " -lrille -Wl,-rpath,$(realpath " .. build .. ") "

-- Compiles a floor, a peer, or a tool of bench/tools, once; returns where it is, or nil and the compiler's words.
function M.compile(source)
  local name = source:gsub("^bench/", ""):gsub("%.c$", ""):gsub("[/.]", "_")
  local binary = build .. "/bench/" .. name
  os.execute("mkdir -p " .. build .. "/bench")
  local command = "{ [ $out -nt $in ] || " .. compilers[source:match("%w+$")] .. "; } 2>&1"
  command = command:gsub("%$out", binary):gsub("%$in", source)
  local links = source:find("^bench/embed/") and host or source:find("^bench/core/") and lua or ""
  command = command:gsub("%$links", (links:gsub("%%", "%%%%")))
  local pipe <close> = assert(io.popen(command))
  local words = pipe:read("a")
  if not pipe:close() then return nil, words end
  return binary
end

local function exists(path)
  local file = io.open(path)
  return file ~= nil and file:close()
end

--- The command that runs `peer`'s program of a work with `args`, or nil if there is none.
function M.command(peer, directory, args)
  local source = directory .. "/" .. peer.file
  if not exists(source) and peer.otherwise then source = directory .. "/" .. peer.otherwise end
  if not exists(source) or not M.available(peer) then return nil end
  if peer.compiled or source:find("%.c$") then return assert(M.compile(source)) .. " " .. args end
  return peer.run .. (peer.verb or "") .. " " .. source .. " " .. args .. (peer.tail or "")
end

return M
