-- rille.supervisor: keeps children running: restarts what fails, waits longer each time, and gives up in the end.
local rille = require "rille"
local check_options = require("rille.options").check
local worker = require "rille.worker"
local make_error, join = require("rille.native.task").error, require("rille.native.task").join

local supervisor = {}

local FIRST, LONGEST = 0.1, 30 -- seconds of back-off
local LIMIT, WITHIN = 5, 10    -- restarts in so many seconds before it gives up

--- What to keep running: a function, or one of `run` and `worker`.
--- @class rille.SupervisorChild
--- @field name? string its number by default
--- @field run? fun()
--- @field worker? rille.WorkerSpec what worker.spawn takes
--- @field restart? "on_error"|"always" when; on_error by default

--- @class rille.SupervisorOptions
--- @field [integer] fun()|rille.SupervisorChild
--- @field strategy? "one_for_one"|"one_for_all" restarts what has failed (the default); ends and restarts all
--- @field backoff? number seconds before the first restart, twice as many before each further one; 0.1 by default
--- @field max_backoff? number seconds at most; 30 by default
--- @field limit? integer restarts that are allowed `within` so many seconds; 5 by default
--- @field within? number seconds; 10 by default
--- @field on_restart? fun(name: string, err: any, delay: number) is told of each

--- @class rille.Supervisor
local Supervisor = {}
Supervisor.__index = Supervisor
Supervisor.__name = "rille.Supervisor"

local known = {
  strategy = "string", limit = "integer", within = "number", backoff = "number", max_backoff = "number",
  on_restart = "function",
}
local known_child = { name = "string", run = "function", worker = "table", restart = "string" }

local function check_child(spec, i)
  if type(spec) == "function" then spec = { run = spec } end
  if type(spec) ~= "table" then error(("child %d: a function or a table expected"):format(i), 4) end
  check_options(spec, known_child, ("child %d"):format(i))
  if (spec.run == nil) == (spec.worker == nil) then error(("child %d: needs 'run' or 'worker'"):format(i), 4) end
  local restart = spec.restart or "on_error"
  if restart ~= "on_error" and restart ~= "always" then
    error(("child %d: option 'restart': 'on_error' or 'always' expected, got '%s'"):format(i, restart), 4)
  end
  return { name = spec.name or tostring(i), run = spec.run, spawn = spec.worker, restart = restart, restarts = 0 }
end

-- One life of a child: true if it ended by itself, or false and the error.
local function live(child)
  if child.run then
    child.run()
    return
  end
  local w <close> = worker.spawn(child.spawn)
  child.worker = w
  w:wait()
  w:join()
end

-- Too many restarts lately?
local function exhausted(self)
  local now, recent = rille.now(), {}
  for _, at in ipairs(self.history) do
    if now - at < self.within then recent[#recent + 1] = at end
  end
  recent[#recent + 1] = now
  self.history = recent
  return #recent > self.limit
end

local function backoff(self, child)
  local now = rille.now()
  if child.failed_at and now - child.failed_at > self.within then child.delay = nil end
  child.failed_at = now
  child.delay = math.min(child.delay and child.delay * 2 or self.first, self.longest)
  return child.delay
end

local function failed(self, child, err)
  if exhausted(self) then
    local failure = make_error("LIMIT", ("supervisor: %d restarts within %g s, the last of '%s': %s"):format(
      self.limit, self.within, child.name, tostring(err)))
    failure.cause = err
    error(failure, 0)
  end
  child.restarts = child.restarts + 1
  local delay = backoff(self, child)
  if self.on_restart then self.on_restart(child.name, err, delay) end
  return delay
end

-- Runs one child for good. What it returns is whether the whole set is to be started again, and after how long.
local function keep(self, child)
  while true do
    child.running = true
    local ok, err = pcall(live, child)
    child.running, child.worker = false, nil
    if ok and child.restart ~= "always" then return end
    local delay = failed(self, child, ok and "it ended" or err)
    if self.strategy == "one_for_all" then return delay end
    rille.sleep(delay)
  end
end

local function run_all(self)
  local again
  rille.group(function(group)
    for _, child in ipairs(self.children) do
      group:spawn(function()
        local delay = keep(self, child)
        if not delay then return end
        again = delay
        group:cancel("a sibling has failed")
      end)
    end
  end)
  return again
end

local function run(self)
  while true do
    local again = run_all(self)
    if not again then return end
    rille.sleep(again)
  end
end

local function new(options)
  if type(options) ~= "table" then error("supervisor: a table expected, got " .. type(options), 3) end
  check_options(options, known, "supervisor")
  local strategy = options.strategy or "one_for_one"
  if strategy ~= "one_for_one" and strategy ~= "one_for_all" then
    error("supervisor: option 'strategy': 'one_for_one' or 'one_for_all' expected, got '" .. strategy .. "'", 3)
  end
  for _, name in ipairs { "backoff", "max_backoff", "limit", "within" } do
    local value = options[name]
    if value and (value < 0 or value ~= value) then
      error(("supervisor: option '%s' must not be negative, got %s"):format(name, value), 3)
    end
  end
  local self = setmetatable({
    strategy = strategy,
    limit = options.limit or LIMIT,
    within = options.within or WITHIN,
    first = options.backoff or FIRST,
    longest = options.max_backoff or LONGEST,
    on_restart = options.on_restart,
    history = {},
    children = {},
  }, Supervisor)
  for i, spec in ipairs(options) do self.children[i] = check_child(spec, i) end
  return self
end

--- Runs the children until all have ended by themselves, and restarts those that fail.
--- @async
--- @param options rille.SupervisorOptions
--- @raise LIMIT for more restarts than are allowed, with the last error as `cause`
function supervisor.run(options) run(new(options)) end

--- The same in a task of its own: a child of the current scope.
--- @param options rille.SupervisorOptions
--- @return rille.Supervisor
function supervisor.start(options)
  local self = new(options)
  self.task = rille.async(run)(self)
  return self
end

local function find(self, name)
  for _, child in ipairs(self.children) do
    if child.name == name then return child end
  end
  error(("supervisor: no child '%s'"):format(tostring(name)), 3)
end

--- The worker that a child is now; nil between two lives.
--- @param name string
--- @return rille.Worker?
function Supervisor:worker(name) return find(self, name).worker end

--- How often a child was restarted.
--- @param name string
--- @return integer
function Supervisor:restarts(name) return find(self, name).restarts end

--- Waits until all children have ended by themselves.
--- @async
--- @raise LIMIT
function Supervisor:wait() return self.task:await() end

--- Ends all children. If it had given up, and nobody has waited for it, that is raised where its scope ends.
--- @async
function Supervisor:close()
  self.task:cancel("the supervisor is closed")
  join(self.task)
end

Supervisor.__close = Supervisor.close

return supervisor
