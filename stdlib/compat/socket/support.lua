--- What LuaSocket's sockets share: timeouts, and errors as its strings.
local rille = require "rille"

local support = {}

local texts = {
  CLOSED = "closed", EPIPE = "closed", ECONNRESET = "closed", ECONNABORTED = "closed", BROKEN = "closed",
  TIMEOUT = "timeout", ETIMEDOUT = "timeout", ECONNREFUSED = "connection refused",
  EADDRINUSE = "address already in use", EACCES = "permission denied", EISCONN = "already connected",
  EAI_NONAME = "host or service not provided, or not known",
  EAI_AGAIN = "temporary failure in name resolution", EAI_FAIL = "non-recoverable failure in name resolution",
}

--- LuaSocket's text for an error of rille; other errors are raised again.
function support.text(err)
  if type(err) ~= "table" or not err.code then error(err, 0) end
  return texts[err.code] or err.message
end

local function outcome(ok, ...)
  if ok then return ... end
  return nil, support.text((...))
end

--- Calls `f`; returns its values, or nil and LuaSocket's text.
function support.call(f, ...)
  return outcome(pcall(f, ...))
end

local function in_time(completed, ...)
  if completed then return ... end
  return nil, "timeout"
end

--- The same within `seconds`; nil or negative: no limit.
function support.within(seconds, f, ...)
  if not seconds or seconds < 0 then return support.call(f, ...) end
  return in_time(rille.move_on_after(seconds, support.call, f, ...))
end

-- Sockets have two limits: of one wait, and of a whole call. Here one call is one wait.

function support.settimeout(self, value, mode)
  if mode == "t" or mode == "r" then
    self._total = value
  else
    self._block = value
  end
  return 1
end

function support.gettimeout(self) return self._block or -1, self._total or -1 end

function support.limit(self)
  local block, total = self._block, self._total
  if block and block < 0 then block = nil end
  if total and total < 0 then total = nil end
  return block and total and math.min(block, total) or block or total
end

function support.family(host) return host:find(":", 1, true) and "inet6" or "inet" end

return support
