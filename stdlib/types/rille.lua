-- rille, as language servers read it: tasks, scopes, combinators, synchronisation.
---@meta rille

--- The concurrency core. Submodules load when they are first used.
local rille = {}

---@class rille.Error
---@field code string a system's name (ENOENT) or TIMEOUT, CANCELLED, CLOSED, BROKEN, DEADLOCK, LIMIT, DENIED
---@field message string
---@field op? string
---@field path? string
---@field address? string
---@field cause? any

---@class rille.Task
---@field id integer
---@field name? string
local Task = {}

--- Waits for the task and returns its values, or raises its error.
---@async
function Task:await() end
--- Cancels it and what it has started: `task:cancel(reason)` or `task:cancel{ reason =, grace = }`.
---@param reason? any
function Task:cancel(reason) end
---@return "created"|"ready"|"running"|"blocked"|"finishing"|"done"
function Task:status() end
--- What it waits for ("sleep", "lock", "stream:read"), or nil.
---@return string?
function Task:waits_for() end
--- Where it was spawned: "FILE:LINE".
---@return string
function Task:site() end
--- Where it stands.
---@return string
function Task:traceback() end

--- Starts `f(...)` as a child of the current scope, which owns its failure.
---@param f function
---@param ... any
---@return rille.Task
function rille.spawn(f, ...) end

--- A function whose calls start child tasks; whoever awaits one owns its failure.
---@param f function
---@return fun(...): rille.Task
function rille.async(f) end

--- Waits for a task or future: its values, or its error.
---@async
---@param x rille.Task|rille.Future
---@return any ...
function rille.await(x) end

--- Starts a task outside all scopes. It does not keep the program alive.
---@param f function
---@param ... any
---@return rille.Task
function rille.detach(f, ...) end

--- Waits; never wakes early.
---@async
---@param seconds number
function rille.sleep(seconds) end

--- Lets the others run, and resumes after one poll for I/O.
---@async
function rille.yield() end

--- The monotonic clock, in seconds.
---@return number
function rille.now() end

--- The task that runs.
---@return rille.Task
function rille.current() end

--- All tasks that have not ended, outer ones first.
---@return rille.Task[]
function rille.tasks() end

--- Numbers of the running program, or of one task.
---@param task? rille.Task
---@return table?
function rille.stats(task) end

--- The whole report of an error: message, traceback, where its tasks were spawned and awaited.
---@param err any
---@return string
function rille.report(err) end

--- Errors that were raised while `err` was on its way.
---@param err any
---@return any[]
function rille.suppressed(err) end

--- `f`'s values, or nil and the error.
---@async
---@param f function
---@param ... any
---@return any ...
function rille.try(f, ...) end

--- Like pcall, and it sees a cancellation.
---@async
---@param f function
---@param ... any
---@return boolean ok
---@return any ...
function rille.catch_cancel(f, ...) end

--- Runs functions and waits for tasks side by side; one value for each. The first error cancels the rest.
---@async
---@param ... function|rille.Task|table or one list of them, which may have `settle = true`
---@return any ...
function rille.gather(...) end

--- The first to finish decides; the others are cancelled and joined.
---@async
---@param ... function|rille.Task
---@return any ...
function rille.race(...) end

--- The first to succeed decides.
---@async
---@param ... function|rille.Task
---@return any ...
function rille.any(...) end

--- Waits for some of the tasks, and cancels nothing.
---@async
---@param tasks rille.Task[]
---@param options? { until?: "first"|"error"|"all", timeout?: number }
---@return rille.Task[] done
---@return rille.Task[] pending
function rille.wait(tasks, options) end

--- Iterates over tasks in the order in which they end.
---@async
---@param tasks rille.Task[]
---@return fun(): rille.Task?
function rille.as_completed(tasks) end

--- Maps a list, so many at a time; results in order.
---@async
---@generic T, R
---@param list T[]
---@param f fun(item: T, index: integer): R
---@param options? { concurrency?: integer }
---@return R[]
function rille.map(list, f, options) end

---@class rille.Group
local Group = {}
---@param f function
---@return rille.Task
function Group:spawn(f, ...) end
---@param f function
---@return rille.Task
function Group:async(f, ...) end
---@param reason? any
function Group:cancel(reason) end
--- Calls `f(started)` in a child, waits until it calls `started(v)`, and returns `v`.
---@async
---@param f fun(started: fun(v?: any), ...)
---@return any
function Group:start(f, ...) end

--- A scope: leaving it joins all children.
---@async
---@param f fun(g: rille.Group): ...
---@return any ...
function rille.group(f) end

--- Raises TIMEOUT unless `f` ends in time.
---@async
---@param seconds number
---@param f function
---@param ... any
---@return any ...
function rille.timeout(seconds, f, ...) end

--- Like timeout, and says whether it completed instead of raising.
---@async
---@param seconds number
---@param f function
---@param ... any
---@return boolean completed
---@return any ...
function rille.move_on_after(seconds, f, ...) end

--- `local d <close> = rille.deadline(1)`: waits in the block raise TIMEOUT then. `d:reschedule(s)` moves it.
---@param seconds number
function rille.deadline(seconds) end

--- Runs `f` with cancellation from outside pending until the first checkpoint after it.
---@async
---@param f function
---@param ... any
---@return any ...
function rille.shield(f, ...) end

--- One effect of several: exactly one happens. Returns its index and values.
---@async
---@param cases table
---@return integer index
---@return any ...
function rille.select(cases) end

--- A case for select: after so many seconds.
---@param seconds number
function rille.after(seconds) end

---@class rille.Var
local Var = {}
---@return any
function Var:get() end
---@async
---@param value any
---@param f function
---@return any ...
function Var:with(value, f, ...) end

--- A task-local value, inherited at spawn.
---@param default? any
---@return rille.Var
function rille.var(default) end

---@class rille.Lock
local Lock = {}
---@async
function Lock:acquire() end
---@return boolean
function Lock:try_acquire() end
function Lock:release() end
---@async
---@param f function
---@return any ...
function Lock:with(f, ...) end
---@return rille.Task?
function Lock:owner() end
--- A case for rille.select.
function Lock:acquiring() end

--- First in, first out, handed over directly.
---@return rille.Lock
function rille.lock() end

--- Phase-fair: many readers or one writer. `read()` and `write()` wait and give a guard.
function rille.rwlock() end

--- Weighted: `acquire(k)`, `try_acquire(k)`, `release(k)`, `resize(n)`.
---@param n integer
function rille.semaphore(n) end

--- `set()`, `clear()`, `is_set()`, `wait()`.
function rille.event() end

--- `wait([predicate])`, `notify(n)`, `notify_all()`.
---@param lock? rille.Lock
function rille.condition(lock) end

--- `wait()` gives the index of arrival; `abort()`, `reset()`.
---@param n integer
function rille.barrier(n) end

---@class rille.Channel
local Channel = {}
---@async
---@param v any anything but nil
function Channel:send(v) end
---@async
---@return any # nil once it is closed and empty
function Channel:recv() end
---@return boolean
function Channel:try_send(v) end
---@return any
function Channel:try_recv() end
---@param options? { discard?: boolean }
function Channel:close(options) end

--- A channel between tasks. `for v in channel do` receives until it is closed.
---@param capacity? number 0 by default; math.huge for no bound
---@return rille.Channel
function rille.channel(capacity) end

---@class rille.Future
local Future = {}
---@param v any
function Future:set(v) end
---@param err any
function Future:fail(err) end
---@async
---@return any
function Future:await() end
---@return boolean
function Future:is_done() end

--- A value that somebody will set.
---@return rille.Future
function rille.future() end

--- Shows a value as text: nested, sorted, cycle-safe, cut where it is long.
---@param value any
---@param options? { depth?: integer, items?: integer, text?: integer, width?: integer, color?: boolean, raw?: boolean }
---@return string
function rille.inspect(value, options) end

return rille
