-- rille.os: what the system tells of itself and of this process.
local native = require "rille.native.os"

local system = {}

local Env = {}

function Env.__index(_, name)
  return native.getenv(name)
end

function Env.__newindex(_, name, value)
  local kind = type(value)
  if kind ~= "string" and kind ~= "number" and kind ~= "nil" then
    error(("os.env.%s: string, number or nil expected, got %s"):format(name, kind), 2)
  end
  native.setenv(name, value ~= nil and tostring(value) or nil)
end

function Env.__pairs()
  return pairs(native.environ())
end

function Env.__call(_, name)
  if name == nil then
    return native.environ()
  end
  return native.getenv(name)
end

--- The environment: `os.env.HOME`, `for name, value in pairs(os.env)`. `os.env()` is a copy.
--- Setting a variable changes this process and the children it starts; do it before other threads
--- run.
--- @type table<string, string>|fun(name?: string): string|table<string, string>|nil
system.env = setmetatable({}, Env)

--- The process's number.
--- @type integer
system.pid = native.pid()

--- The kernel's name, release and machine.
--- @type string
system.name, system.release, system.machine = native.system()

--- The working directory.
--- @return string
--- @raise system errors of getcwd
system.cwd = native.cwd

--- Changes the working directory, of every thread of the process.
--- @param dir string
--- @raise system errors of chdir
system.chdir = native.chdir

--- How many cores this process may use.
--- @return integer
system.cpus = native.cpus

--- Memory in bytes; `available`: without swapping, `resident`: of this process.
--- @return { total: integer, free: integer, available: integer, resident: integer }
system.memory = native.memory

--- The name of this machine.
--- @return string
system.hostname = native.hostname

--- Seconds since the system started.
--- @return number
system.uptime = native.uptime

--- The load averages over 1, 5 and 15 minutes.
--- @return number, number, number
system.load = native.load

--- The user this process runs as; without a name where the system knows none.
--- @return { uid: integer, gid: integer, name: string?, home: string?, shell: string? }
system.user = native.user

return system
