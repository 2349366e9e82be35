-- rille.worker: threads with a Lua state of their own, and what they share.
local rille = require "rille"
local native = require "rille.native.worker"
local shared = require "rille.native.shared"
local current = require "rille.worker.current"
local failure = require "rille.worker.failure"
local check_options = require("rille.options").check
local make_error = require("rille.native.task").error

local worker = {}

--- @class rille.WorkerSpec
--- @field [1] function|string what runs: a function, or the name of a module
--- @field [integer] any its arguments
--- @field name? string "worker" by default
--- @field memory? integer bytes that its Lua state may hold
--- @field stack? integer bytes of its thread's stack, 1 MiB at least; the system's default unless given
--- @field process? boolean a process instead of a thread

--- @class rille.Worker
--- @field name string
--- @field pid? integer of one that is a process
local Worker = {}
Worker.__index = Worker
Worker.__name = "rille.Worker"

local INBOX = 64  -- messages that wait in either direction before a sender does

-- Somebody hears, or will hear, of a failure.
local function claim(self)
  self.fate.claimed = true
  self.fate.settled:set()
end

local function raise_ended(self, what)
  self.finished:await()
  local ended = self.ended
  if ended and ended[1] == "failed" then
    claim(self)
    error(failure(ended[2], ended[3]), 0)
  end
  error(make_error("CLOSED", ("%s: the worker has ended"):format(what)), 0)
end

-- How it ended, as an error.
local function reason(ended)
  local how = ended[1]
  if how == "failed" then return failure(ended[2], ended[3]) end
  if how == "exit" then return make_error("BROKEN", ("the worker called os.exit(%d)"):format(ended[2])) end
  if how == "unborn" then return make_error("ENOMEM", "the worker could not be started: out of memory") end
  if how == "signal" then
    return make_error("BROKEN", ("the worker's process was ended by signal %s"):format(ended[2]))
  end
  return make_error("CANCELLED", "the worker was terminated")
end

local FAILURES = { failed = true, signal = true, unborn = true }

-- Waits for the end of a worker and tells those who wait for something of it. How it ended.
local function settle(self)
  local ended = table.pack(self.transport:join())
  self.ended = ended
  self.calls:close { discard = true }
  self.inbox:close { discard = true }
  self.outbox:close()
  self.finished:set(true)
  return ended
end

-- The task behind a worker, which is in `box`. A failure that nobody can hear of any more, since the worker was dropped or
-- the program ends, is its own.
local function watch(box, fate)
  local ended = settle(box[1])
  box[1] = nil -- from now on it can be dropped
  if not FAILURES[ended[1]] then return end
  rille.catch_cancel(fate.settled.wait, fate.settled)
  if not fate.claimed then error(reason(ended), 0) end
end

local function options_of(target, ...)
  if type(target) == "table" then return target end
  return { target, ... }
end

local known = { name = "string", memory = "integer", process = "boolean", stack = "integer" }

local function check_target(options)
  local kind = type(options[1])
  if kind ~= "function" and kind ~= "string" then
    error(("a worker runs a function or a module, got %s"):format(kind), 3)
  end
end

local function start_thread(self, options, ...)
  self.calls = shared.channel(math.huge)
  self.inbox, self.outbox = shared.channel(INBOX), shared.channel(INBOX)
  return native.start({ memory = options.memory, stack = options.stack }, self.calls, self.inbox, self.outbox, nil,
    { path = package.path, cpath = package.cpath }, options[1], ...)
end

--- Starts a worker: a thread that runs `target` in a Lua state of its own. A function runs with the arguments; of a
--- module name, what `require` gives there. A table of functions is then served to `call`.
--- A table instead takes options: `worker.spawn { target, arguments..., memory = bytes }`.
--- Arguments, results and messages are copied: see docs/worker.md for what can travel.
--- @param target function|string|rille.WorkerSpec
--- @param ... any arguments
--- @return rille.Worker
--- @raise INVALID, naming what cannot travel
function worker.spawn(target, ...)
  local options = options_of(target, ...)
  check_options(options, known, "worker.spawn")
  check_target(options)
  local self = setmetatable({ finished = rille.future(), name = options.name or "worker" }, Worker)
  self.fate = { claimed = false, settled = rille.event() }
  local count = options.n or #options
  if type(target) ~= "table" then count = 1 + select("#", ...) end
  local start = options.process and require "rille.worker.process" or start_thread
  self.transport = start(self, options, table.unpack(options, 2, count))
  rille.detach(watch, { self }, self.fate)
  return self
end

-- A call whose caller leaves before the answer is cancelled.
local Pending = {
  __close = function(self)
    if self.number then self.calls:post(self.number, false) end
  end,
}

local function answered(self, pending, name, ok, ...)
  pending.number = nil
  if ok then return ... end
  if ok == nil then raise_ended(self, ("call '%s'"):format(name)) end
  error(failure(...), 0)
end

--- Calls a function of the worker's and waits for its results. A caller that is cancelled cancels the call.
--- @async
--- @param name string
--- @param ... any
--- @return any ...
--- @raise what the function raised, with the worker's traceback in `traceback`
function Worker:call(name, ...)
  if type(name) ~= "string" then
    error(("bad argument #1 to 'call' (the name of a function expected, got %s)"):format(type(name)), 2)
  end
  if self.ended then return raise_ended(self, ("call '%s'"):format(name)) end
  local pending <close> = setmetatable({ calls = self.calls }, Pending)
  return answered(self, pending, name, self.transport:call(self.calls, pending, name, ...))
end

--- Sends a value to the worker, which gets it from `worker.recv()`. Waits while too many are unread.
--- @async
--- @param value any anything but nil
--- @return rille.Worker self
--- @raise CLOSED, or its error, if the worker has ended; INVALID, naming what cannot travel
function Worker:send(value)
  if self.ended then return raise_ended(self, "send") end
  self.inbox:send(value)
  return self
end

--- The next value that the worker has sent; nil when it has ended. `for value in w do` is the same.
--- @async
--- @return any
function Worker:recv() return self.outbox:recv() end

-- `for value in w do`
Worker.__call = function(self) return self.outbox:recv() end

--- Waits for the worker's end. A worker that serves calls ends when it has answered those it got.
--- @async
--- @return any ... what its function returned
--- @raise what its function raised, with the worker's traceback in `traceback`
function Worker:join()
  self.calls:close()
  self.finished:await()
  claim(self)
  local ended = self.ended
  if ended[1] == "ok" then return table.unpack(ended, 2, ended.n) end
  error(reason(ended), 0)
end

--- Waits for the worker's end without asking for it: one that serves calls goes on.
--- @async
function Worker:wait() self.finished:await() end

local function stop(self)
  while not self.ended do
    self.transport:stop()
    rille.move_on_after(0.005, function() self.finished:await() end)
  end
end

--- Ends the worker, also in the middle of running code, and waits until it is gone. A cancellation ends the wait only
--- after a second, when C code holds the worker up.
--- @async
function Worker:terminate()
  if not self.ended then claim(self) end
  rille.shield(rille.move_on_after, 1, stop, self)
  stop(self)
end

--- True once the worker has ended.
--- @return boolean
function Worker:is_over() return self.ended ~= nil end

Worker.close = Worker.terminate
Worker.__close = Worker.terminate

function Worker:__gc()
  if self.fate then self.fate.settled:set() end
end

--- @class rille.WorkerChannel
--- @field send fun(self, value: any): rille.WorkerChannel waits while it is full; CLOSED
--- @field recv fun(self): any waits while it is empty; nil once it is closed and empty
--- @field try_send fun(self, value: any): boolean false: it is full
--- @field try_recv fun(self): boolean?, any true and a value; false: none now; nil: closed and empty
--- @field close fun(self, options?: {discard?: boolean}) receivers still get what is in it, unless it is discarded
--- @field is_closed fun(self): boolean
--- @operator len: integer
--- @operator call: any

--- A bounded channel between threads, as `rille.channel` is between tasks; iterate over it to receive. 0 by default:
--- a sender waits for its receiver. math.huge: unbounded. It travels in messages.
--- @type fun(capacity?: number): rille.WorkerChannel
worker.channel = shared.channel

--- @class rille.WorkerBuffer
--- @field read fun(self, offset?: integer, n?: integer): string from offset, 0 at first, to the end
--- @field write fun(self, offset: integer, bytes: string): rille.WorkerBuffer
--- @field load fun(self, cell: integer): integer cells are eight bytes each, from 1
--- @field store fun(self, cell: integer, n: integer): rille.WorkerBuffer
--- @field add fun(self, cell: integer, n?: integer): integer the new value; adds 1 by default
--- @field exchange fun(self, cell: integer, n: integer): integer the value before
--- @field compare_exchange fun(self, cell: integer, expected: integer, n: integer): boolean, integer the value before
--- @operator len: integer

--- A block of bytes that threads share, zero at first. Cells are changed atomically. It travels in messages.
--- @type fun(size: integer): rille.WorkerBuffer
worker.buffer = shared.buffer

--- True in a worker.
--- @return boolean
function worker.is_worker() return current.inbox ~= nil end

--- In a worker: the next value its parent has sent; nil at the end.
--- @async
--- @return any
function worker.recv()
  if not current.inbox then error("worker.recv: this is not a worker", 2) end
  return current.inbox:recv()
end

--- In a worker: sends a value to its parent. Waits while too many are unread.
--- @async
--- @param value any anything but nil
--- @raise INVALID, naming what cannot travel
function worker.send(value)
  if not current.outbox then error("worker.send: this is not a worker", 2) end
  current.outbox:send(value)
end

return worker
