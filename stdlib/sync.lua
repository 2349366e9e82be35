-- Synchronisation built on the parking lot: event, condition, barrier, rwlock, future. Hand-off is the lot's: whoever wakes
-- a task has already given it what it waited for.
local native = require "rille.native.sync"
local task = require "rille.native.task"

local lot = native.lot
local current, catch_cancel, reacquire = task.current, task.catch_cancel, native.reacquire

local sync = { lock = native.lock, semaphore = native.semaphore }

local function raise(code, message)
  error(task.error(code, message), 0)
end

--- Runs `f(...)` while holding the lock, and releases it on every path. Waits.
--- @async
--- @param f function
--- @return any ... what `f` returns
function native.Lock:with(f, ...)
  local _ <close> = self:acquire()
  return f(...)
end

--- A flag that tasks wait for.
--- @class rille.Event
local Event = {}
Event.__index = Event
Event.__name = "rille.Event"

--- @return rille.Event
function sync.event()
  return setmetatable({ flag = false, lot = lot("event") }, Event)
end

--- Sets the flag: all that wait now go on, even if `clear` follows at once.
function Event:set()
  self.flag = true
  self.lot:wake_all()
end

function Event:clear()
  self.flag = false
end

--- @return boolean
function Event:is_set()
  return self.flag
end

--- Waits until the flag is set.
--- @async
function Event:wait()
  if self.flag then
    return task.checkpoint()
  end
  self.lot:park()
end

--- A value that comes later, once: set or failed by one task, awaited by any number.
--- @class rille.Future
local Future = {}
Future.__index = Future
Future.__name = "rille.Future"

--- @return rille.Future
function sync.future()
  return setmetatable({ lot = lot("future") }, Future)
end

local function settle(future, how, ...)
  if future.how then
    raise("CLOSED", "future: already done")
  end
  future.how = how
  future.values = table.pack(...)
  future.lot:wake_all()
end

--- Gives the value or values. Raises `CLOSED` if the future is done already.
function Future:set(...)
  settle(self, "set", ...)
end

--- Makes whoever awaits raise `err`, the same value.
function Future:fail(err)
  settle(self, "failed", err)
end

--- @return boolean
function Future:is_done()
  return self.how ~= nil
end

--- Waits for the values, or raises the error given to `fail`. Repeatable.
--- @async
function Future:await()
  if self.how then
    task.checkpoint()
  else
    self.lot:park()
  end
  if self.how == "failed" then
    error(self.values[1], 0)
  end
  return table.unpack(self.values, 1, self.values.n)
end

--- A condition on a lock.
--- @class rille.Condition
local Condition = {}
Condition.__index = Condition
Condition.__name = "rille.Condition"

--- @param lock? rille.Lock its own by default; `condition.lock` is it
--- @return rille.Condition
function sync.condition(lock)
  if lock ~= nil and not pcall(native.Lock.owner, lock) then
    error(("condition: lock expected, got %s"):format(type(lock)), 2)
  end
  return setmetatable({ lock = lock or native.lock(), lot = lot("condition") }, Condition)
end

local function check_owned(condition, what)
  if condition.lock:owner() ~= current() then
    raise("DENIED", what .. ": the condition's lock is not held by this task")
  end
end

function Condition:acquire()
  return self.lock:acquire()
end

function Condition:release()
  self.lock:release()
end

-- Whatever ends the wait, the lock is held again before anything is returned or raised.
local function wait_once(self)
  task.checkpoint() -- what forbids waiting here is raised while the lock is held
  self.lock:release()
  local woken, err = catch_cancel(self.lot.park, self.lot)
  reacquire(self.lock)
  if not woken then
    error(err, 0)
  end
end

--- Releases the lock, waits for a notification, and takes the lock again; with `predicate`, until it returns true. It always
--- returns, or raises, holding the lock.
--- @async
--- @param predicate? fun(): any
--- @return any the predicate's value
function Condition:wait(predicate)
  check_owned(self, "condition:wait")
  if not predicate then
    return wait_once(self)
  end
  task.checkpoint()
  local value = predicate()
  while not value do
    wait_once(self)
    value = predicate()
  end
  return value
end

--- Wakes up to `n` waiters (1), in arrival order. The lock must be held.
--- @param n? integer
function Condition:notify(n)
  check_owned(self, "condition:notify")
  for _ = 1, n or 1 do
    if not self.lot:wake() then
      break
    end
  end
end

function Condition:notify_all()
  check_owned(self, "condition:notify_all")
  self.lot:wake_all()
end

--- A place where `n` tasks wait for each other.
--- @class rille.Barrier
local Barrier = {}
Barrier.__index = Barrier
Barrier.__name = "rille.Barrier"

local BROKEN = -1

--- @param n integer parties
--- @return rille.Barrier
function sync.barrier(n)
  if math.type(n) ~= "integer" or n < 1 then
    error("barrier: a positive integer expected", 2)
  end
  return setmetatable({ parties = n, lot = lot("barrier"), broken = false }, Barrier)
end

--- Waits until `n` tasks have called it. A party that is cancelled withdraws.
--- @async
--- @return integer index order of arrival, from 1
--- @raise BROKEN if the barrier is aborted
function Barrier:wait()
  task.checkpoint() -- before it counts as arrived
  if self.broken then
    raise("BROKEN", "barrier: aborted")
  end
  local index = self.lot:count() + 1
  if index == self.parties then
    for i = 1, index - 1 do
      self.lot:wake(i)
    end
    return index
  end
  index = self.lot:park()
  if index == BROKEN then
    raise("BROKEN", "barrier: aborted")
  end
  return index
end

--- Wakes all parties with `BROKEN`, as it does those that come later, until `reset`.
function Barrier:abort()
  self.broken = true
  self.lot:wake_all(BROKEN)
end

--- Makes the barrier usable again; who waits now gets `BROKEN`.
function Barrier:reset()
  self.lot:wake_all(BROKEN)
  self.broken = false
end

--- A lock for many readers or one writer, phase-fair: readers that come while a writer waits go after it, all at once.
--- @class rille.RWLock
local RWLock = {}
RWLock.__index = RWLock
RWLock.__name = "rille.RWLock"

local function release_read(lock)
  lock.readers = lock.readers - 1
  if lock.readers == 0 and lock.writing_next:wake() then
    lock.writer = true
  end
end

local function admit_readers(lock)
  lock.readers = lock.readers + lock.reading_next:wake_all()
end

local function release_write(lock)
  lock.writer = false
  if lock.reading_next:count() > 0 then
    admit_readers(lock)
  elseif lock.writing_next:wake() then
    lock.writer = true
  end
end

local function guard(release)
  local class = {}
  class.__index = class
  function class:release()
    local lock = self.lock
    if not lock then
      raise("DENIED", "rwlock: released twice")
    end
    self.lock = nil
    release(lock)
  end
  function class:__close()
    if self.lock then
      self:release()
    end
  end
  return class
end

local ReadGuard, WriteGuard = guard(release_read), guard(release_write)

--- @return rille.RWLock
function sync.rwlock()
  return setmetatable({
    readers = 0,
    writer = false,
    reading_next = lot("rwlock:read"),
    writing_next = lot("rwlock:write"),
  }, RWLock)
end

--- Waits for a place among the readers.
--- @async
--- @return table guard `<close>`-able, with `release()`
function RWLock:read()
  task.checkpoint() -- it may let others run: what it finds afterwards counts
  if self.writer or self.writing_next:count() > 0 then
    self.reading_next:park()
  else
    self.readers = self.readers + 1
  end
  return setmetatable({ lock = self }, ReadGuard)
end

--- Waits to be the only one.
--- @async
--- @return table guard `<close>`-able, with `release()`
function RWLock:write()
  task.checkpoint()
  if self.writer or self.readers > 0 then
    local granted, err = catch_cancel(self.writing_next.park, self.writing_next)
    if not granted then
      if not self.writer and self.writing_next:count() == 0 then
        admit_readers(self)
      end
      error(err, 0)
    end
  else
    self.writer = true
  end
  return setmetatable({ lock = self }, WriteGuard)
end

return sync
