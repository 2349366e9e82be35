-- rille, as language servers read it: tasks, scopes, combinators, synchronisation.
---@meta rille

--- The concurrency core. Submodules load when they are first used. What is marked async may wait, and is a checkpoint: it
--- raises a pending cancellation, also when it has nothing to wait for (but `try`, `catch_cancel` and `shield`, which only
--- call). Durations are seconds; a bad one (negative, NaN) is an argument error.
local rille = {}

---@class rille.Error
---@field code string a system's name (ENOENT) or TIMEOUT, CANCELLED, CLOSED, BROKEN, DEADLOCK, LIMIT, DENIED
---@field message string
---@field op? string
---@field path? string
---@field address? string
---@field cause? any
---@field reason? any of a CANCELLED: what `cancel` was given
---@field errors? any[] of `rille.any`: one for each item

---@class rille.Task
---@field id integer
---@field name? string may be set, and shows in reports
local Task = {}

--- Waits for the task and returns its values, or raises its error. Repeatable, by any number of tasks.
---@async
---@return any ...
---@raise the task's error, the very value; CANCELLED if it was cancelled; DEADLOCK if it waits for the caller
function Task:await() end
--- Cancels it and what it has started: `task:cancel(reason)` or `task:cancel{ reason =, grace = }`. It goes on until its
--- cleanup is over. Does not wait. Of a task that has ended, and a second time, it changes nothing but a longer grace.
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

--- Starts `f(...)` as a child of the current scope, which owns its failure: it cancels the scope and is raised where that
--- ends. The child runs later, from the tail of the ready queue.
---@param f function
---@param ... any
---@return rille.Task
---@raise CLOSED if the scope has ended
function rille.spawn(f, ...) end

--- A function whose calls start child tasks; whoever awaits one owns its failure, and the scope if nobody has when it ends.
---@param f function
---@return fun(...): rille.Task
function rille.async(f) end

--- Waits for a task, a future, or anything with a method `await`: its values, or its error.
---@async
---@param x rille.Task|rille.Future
---@return any ...
---@raise its error; DEADLOCK if it waits for the caller
function rille.await(x) end

--- Starts a task outside all scopes. It does not keep the program alive: it is cancelled when the main scope has ended. A
--- failure that nobody awaits is reported at the end of the tick, and the exit status becomes 1.
---@param f function
---@param ... any
---@return rille.Task
---@raise CLOSED if the program is ending
function rille.detach(f, ...) end

--- Waits; never wakes early. `sleep(0)` is `yield()`.
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

--- Whether the options --allow-... and --deny-... permit something: `rille.permitted("net", "example.com:443")`,
--- `rille.permitted("read", "/etc")`. Without the second argument: whether all of it is. What is not permitted raises
--- DENIED, and does nothing, so asking is not needed.
---@param kind "net"|"read"|"write"|"run"|"env"|"code"|"native"
---@param what? string as the options take it: host:port, unix:path, a path, a program, a variable
---@return boolean permitted
---@return string? why the option that forbids it, or that it needs
function rille.permitted(kind, what) end

--- The whole report of an error: message, traceback, where its tasks were spawned and awaited, its cause, what it suppressed.
---@param err any
---@return string
function rille.report(err) end

--- The other failures of the scope that raised `err`, and errors that were raised while it was on its way. Empty if none.
---@param err any
---@return any[]
function rille.suppressed(err) end

--- `f`'s values, or nil and the error. A cancellation goes on, as through pcall. Waits as `f` does.
---@async
---@param f function
---@param ... any
---@return any ...
function rille.try(f, ...) end

--- Like pcall, and it sees a cancellation. Cleanup may wait after it, for the grace period. Waits as `f` does.
---@async
---@param f function
---@param ... any
---@return boolean ok
---@return any ...
function rille.catch_cancel(f, ...) end

--- Runs functions and waits for tasks side by side; one value for each. The first error cancels and joins the rest. With
--- `settle = true` in a list each entry is `{ok=true, value=}` or `{ok=false, error=}`.
---@async
---@param ... function|rille.Task|table or one list of them
---@return any ... a value for each argument; for a list, a list with `n`
---@raise the first error, unless `settle`
function rille.gather(...) end

---@class rille.Group
local Group = {}
--- Starts a child of the group, which owns its failure.
---@param f function
---@param ... any
---@return rille.Task
---@raise CLOSED if the group has ended
function Group:spawn(f, ...) end
--- Starts a child of the group whose handle owns its failure.
---@param f function
---@param ... any
---@return rille.Task
---@raise CLOSED if the group has ended
function Group:async(f, ...) end
--- Cancels the body and all children: `g:cancel(reason)` or `g:cancel{ reason =, grace = }`. Does not wait.
---@param reason? any
function Group:cancel(reason) end
--- Calls `f(started, ...)` in a child, waits until it calls `started(v)`, and returns `v`.
---@async
---@param f fun(started: fun(v?: any), ...)
---@param ... any
---@return any v
---@raise what `f` raises before; BROKEN if it ends without calling `started`
function Group:start(f, ...) end

--- A scope: leaving it joins all children. Returns what its body returns, or nothing after its own `g:cancel`.
---@async
---@param f fun(g: rille.Group): ...
---@return any ...
---@raise the first failure of the body or a child, the others suppressed by it
function rille.group(f) end

--- Calls `f(...)` and cancels it if it has not ended in time.
---@async
---@param seconds number
---@param f function
---@param ... any
---@return any ...
---@raise TIMEOUT; the error of `f`
function rille.timeout(seconds, f, ...) end

--- Like timeout, and says whether it completed instead of raising.
---@async
---@param seconds number
---@param f function
---@param ... any
---@return boolean completed
---@return any ...
---@raise the error of `f`
function rille.move_on_after(seconds, f, ...) end

---@class rille.Deadline
local Deadline = {}
--- Moves it to so many seconds from now.
---@param seconds number
function Deadline:reschedule(seconds) end
--- Ends its scope before the block does. Waits for children that were started in it.
---@async
---@raise TIMEOUT if it has passed and a wait was ended by it
function Deadline:close() end

--- `local d <close> = rille.deadline(1)`: waits in the rest of the block raise TIMEOUT then.
---@async
---@param seconds number
---@return rille.Deadline
function rille.deadline(seconds) end

--- Runs `f` with cancellation from outside pending until the first checkpoint after it. Waits as `f` does.
---@async
---@param f function
---@param ... any
---@return any ...
---@raise the error of `f`
function rille.shield(f, ...) end

---@class rille.Case

--- One effect of several: exactly one happens. Of those that are ready, one is taken in a seeded random order.
---@async
---@param cases rille.Case[] of `ch:receiving()`, `ch:sending(v)`, `lock:acquiring()`, `semaphore:acquiring(k)`, `rille.after(s)`
---@return integer index
---@return any ... what the call would have returned
---@raise CLOSED for sending into a closed channel; BROKEN for a lock whose owner has ended
function rille.select(cases) end

--- A case for select: after so many seconds.
---@param seconds number
---@return rille.Case
function rille.after(seconds) end

---@class rille.Lock
local Lock = {}
--- Waits for the lock. `local _ <close> = lock:acquire()` releases it at the end of the block.
---@async
---@return rille.Lock self
---@raise DEADLOCK if this task holds it; BROKEN if its owner ends without releasing it
function Lock:acquire() end
--- Does not wait.
---@return rille.Lock? self or nil, if another task holds it
---@raise DEADLOCK if this task holds it
function Lock:try_acquire() end
---@raise DENIED if this task does not hold it
function Lock:release() end
--- Runs `f(...)` while holding the lock.
---@async
---@param f function
---@param ... any
---@return any ...
---@raise as acquire does; the error of `f`
function Lock:with(f, ...) end
---@return rille.Task?
function Lock:owner() end
--- A case for rille.select.
---@return rille.Case
function Lock:acquiring() end

--- First in, first out, handed over directly.
---@return rille.Lock
function rille.lock() end

---@class rille.Permit
local Permit = {}
--- Once; the end of a block does it too.
function Permit:release() end

---@class rille.Semaphore
local Semaphore = {}
--- Waits for `k` permits (1). `local _ <close> = s:acquire(k)` gives them back at the end of the block.
---@async
---@param k? integer more than there are is an argument error
---@return rille.Permit
function Semaphore:acquire(k) end
--- Does not wait.
---@param k? integer
---@return rille.Permit? permit or nil
function Semaphore:try_acquire(k) end
---@param k? integer
---@raise LIMIT if that is more than were acquired
function Semaphore:release(k) end
--- Fewer than are taken: so many come back first.
---@param n integer
function Semaphore:resize(n) end
---@return integer
function Semaphore:available() end
--- A case for rille.select.
---@param k? integer
---@return rille.Case
function Semaphore:acquiring(k) end

--- Weighted, first in, first out.
---@param n integer
---@return rille.Semaphore
function rille.semaphore(n) end

---@class rille.Channel
local Channel = {}
--- Waits for room, or for a receiver if the capacity is 0.
---@async
---@param v any anything but nil
---@raise CLOSED
function Channel:send(v) end
--- Waits for a value.
---@async
---@return any # nil once it is closed and empty
function Channel:recv() end
--- Does not wait.
---@param v any anything but nil
---@return boolean sent
---@raise CLOSED
function Channel:try_send(v) end
--- Does not wait.
---@return boolean? received true and the value; false if there is none now; nil at the end
---@return any value
function Channel:try_recv() end
--- Receivers drain what is there, unless it is discarded, and then get nil; senders get CLOSED.
---@param options? { discard?: boolean }
function Channel:close(options) end
---@return boolean
function Channel:is_closed() end
--- A case for rille.select.
---@param v any anything but nil
---@return rille.Case
function Channel:sending(v) end
--- A case for rille.select.
---@return rille.Case
function Channel:receiving() end

--- A channel between tasks. `for v in channel do` receives until it is closed; `#channel` is what it holds.
---@param capacity? number 0 by default; math.huge for no bound
---@return rille.Channel
function rille.channel(capacity) end

--- Shows a value as text: nested, sorted, cycle-safe, cut where it is long.
---@param value any
---@param options? { depth?: integer, items?: integer, text?: integer, width?: integer, color?: boolean, raw?: boolean }
---@return string
function rille.inspect(value, options) end

-- The modules.
rille.args = require "rille.args"
rille.assets = require "rille.assets"
rille.dns = require "rille.dns"
rille.fs = require "rille.fs"
rille.hash = require "rille.hash"
rille.http = require "rille.http"
rille.json = require "rille.json"
rille.log = require "rille.log"
rille.net = require "rille.net"
rille.os = require "rille.os"
rille.parallel = require "rille.parallel"
rille.path = require "rille.path"
rille.process = require "rille.process"
rille.progress = require "rille.progress"
rille.regex = require "rille.regex"
rille.signal = require "rille.signal"
rille.stream = require "rille.stream"
rille.supervisor = require "rille.supervisor"
rille.test = require "rille.test"
rille.text = require "rille.text"
rille.tls = require "rille.tls"
rille.tty = require "rille.tty"
rille.vec = require "rille.vec"
rille.worker = require "rille.worker"
rille.zip = require "rille.zip"
---@type rille.Stream
rille.stdin = nil
---@type rille.Stream
rille.stdout = nil
---@type rille.Stream
rille.stderr = nil

return rille
