-- Synchronisation built on the parking lot: event, condition, barrier, rwlock, future. Hand-off is the lot's: whoever wakes
-- a task has already given it what it waited for.
local locks = require "rille.native.lock"
local lot = require("rille.native.lot").lot
local task = require "rille.native.task"

local current, catch_cancel, reacquire = task.current, task.catch_cancel, locks.reacquire

local sync = { lock = locks.lock, semaphore = require("rille.native.semaphore").semaphore }

local function raise(code, message)
  error(task.error(code, message), 0)
end

--- Runs `f(...)` while holding the lock, and releases it on every path. Waits.
--- @async
--- @param f function
--- @return any ... what `f` returns
function locks.Lock:with(f, ...)
  local _ <close> = self:acquire()
  return f(...)
end

--- @class rille.Event
local Event = {}
Event.__index = Event
Event.__name = "rille.Event"

--- A flag that tasks wait for, not set at first.
--- @return rille.Event
function sync.event()
  return setmetatable({ flag = false, lot = lot("event") }, Event)
end

--- Wakes all that wait now, even if `clear` follows at once.
function Event:set()
  self.flag = true
  self.lot:wake_all()
end

--- Whoever waits from now on waits until the next `set`.
function Event:clear()
  self.flag = false
end

--- @return boolean
function Event:is_set()
  return self.flag
end

--- Waits until it is set.
--- @async
function Event:wait()
  if self.flag then
    return task.checkpoint()
  end
  self.lot:park()
end

--- @class rille.Future
local Future = {}
Future.__index = Future
Future.__name = "rille.Future"

--- A value that somebody will set, once, and any number of tasks await.
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

--- Gives it its values.
--- @param ... any
--- @raise CLOSED if it is done
function Future:set(...)
  settle(self, "set", ...)
end

--- Whoever awaits it raises `err`, the same value.
--- @param err any
--- @raise CLOSED if it is done
function Future:fail(err)
  settle(self, "failed", err)
end

--- @return boolean
function Future:is_done()
  return self.how ~= nil
end

--- Waits for the values. Repeatable, by any number of tasks.
--- @async
--- @return any ...
--- @raise the error given to `fail`
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

--- @class rille.Condition
--- @field lock rille.Lock
local Condition = {}
Condition.__index = Condition
Condition.__name = "rille.Condition"

--- Tasks that wait, without the lock, until another that holds it notifies them.
--- @param lock? rille.Lock its own by default
--- @return rille.Condition
function sync.condition(lock)
  if lock ~= nil and not pcall(locks.Lock.owner, lock) then
    error(("condition: lock expected, got %s"):format(type(lock)), 2)
  end
  return setmetatable({ lock = lock or locks.lock(), lot = lot("condition") }, Condition)
end

local function check_owned(condition, what)
  if condition.lock:owner() ~= current() then
    raise("DENIED", what .. ": the condition's lock is not held by this task")
  end
end

--- The lock's.
--- @async
--- @return rille.Lock
--- @raise as rille.Lock.acquire
function Condition:acquire()
  return self.lock:acquire()
end

--- The lock's.
--- @raise DENIED if this task does not hold it
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

--- Releases the lock, waits for a notification (again, until `predicate()` is true), and holds the lock again when it
--- returns or raises.
--- @async
--- @param predicate? fun(): any
--- @return any what the predicate returned
--- @raise DENIED if this task does not hold the lock; BROKEN if an owner ended without releasing it
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

--- Wakes up to `n` waiters (1), in arrival order.
--- @param n? integer
--- @raise DENIED if this task does not hold the lock
function Condition:notify(n)
  check_owned(self, "condition:notify")
  if n ~= nil and type(n) ~= "number" then
    error(("condition:notify: number expected, got %s"):format(type(n)), 2)
  end
  for _ = 1, n or 1 do
    if not self.lot:wake() then
      break
    end
  end
end

--- Wakes all waiters.
--- @raise DENIED if this task does not hold the lock
function Condition:notify_all()
  check_owned(self, "condition:notify_all")
  self.lot:wake_all()
end

--- @class rille.Barrier
local Barrier = {}
Barrier.__index = Barrier
Barrier.__name = "rille.Barrier"

local BROKEN = -1

--- A place where `n` tasks wait for each other.
--- @param n integer parties
--- @return rille.Barrier
function sync.barrier(n)
  if math.type(n) ~= "integer" or n < 1 then
    error("barrier: a positive integer expected", 2)
  end
  return setmetatable({ parties = n, lot = lot("barrier"), broken = false }, Barrier)
end

--- Waits until as many as it has parties have called it. A cancelled party withdraws.
--- @async
--- @return integer index order of arrival, from 1
--- @raise BROKEN if it is aborted
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

--- Wakes all with BROKEN, as it does those that come later, until `reset`.
function Barrier:abort()
  self.broken = true
  self.lot:wake_all(BROKEN)
end

--- Makes it usable again; who waits now gets BROKEN.
function Barrier:reset()
  self.lot:wake_all(BROKEN)
  self.broken = false
end

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

--- What a reader or the writer has. The end of a block releases it, too.
--- @class rille.Guard
--- @field release fun(self) once: DENIED the second time

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

--- A lock for many readers or one writer, phase-fair: readers that come while a writer waits go after it, all at once.
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
--- @return rille.Guard
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
--- @return rille.Guard
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
