-- rille.log: leveled lines with fields; pretty on a terminal, JSON otherwise. Writing never waits: a task of its own does.
local json = require "rille.json"
local rille = require "rille"
local check_options, getenv = require("rille.options").check, require("rille.options").getenv
local guard = require("rille.options").guard

local LEVELS = { debug = 1, info = 2, warn = 3, error = 4, off = 5 }
local COLORS = { debug = "2", info = "36", warn = "33", error = "31" }
local QUEUE_MAX = 10000 -- lines: beyond it they are counted, and dropped

local log = {}
local wanted = getenv "RILLE_LOG" or "info"
local threshold = LEVELS[wanted] or LEVELS.info
if not LEVELS[wanted] then
  io.stderr:write(("rille: RILLE_LOG: debug, info, warn, error or off expected, got '%s': info it is\n"):format(wanted))
end
local format, color
local queue, dropped, writing = {}, 0, false
local sink

local function plain_text(value)
  if type(value) == "table" then
    return (require "rille.inspect"(value, { width = math.maxinteger, depth = 4 }))
  end
  return tostring(value)
end

local function value_text(value)
  if type(value) == "string" and not value:find "[%s\"=%c]" and value ~= "" then
    return value
  elseif type(value) == "string" then
    return (("%q"):format(value):gsub("\\\n", "\\n"))
  end
  return plain_text(value)
end

local function sorted(fields)
  local names = {}
  for name in pairs(fields) do
    names[#names + 1] = tostring(name)
  end
  table.sort(names)
  return names
end

local function pretty(level, message, fields, now)
  local parts = { os.date("%H:%M:%S", now // 1 | 0) .. ("%.3f"):format(now % 1):sub(2), level:upper() .. (" "):rep(5 - #level), message }
  if color then
    parts[2] = ("\27[%sm%s\27[0m"):format(COLORS[level], parts[2])
  end
  for _, name in ipairs(sorted(fields)) do
    parts[#parts + 1] = (color and "\27[2m%s=\27[0m%s" or "%s=%s"):format(name, value_text(fields[name]))
  end
  return table.concat(parts, " ") .. "\n"
end

-- With U+FFFD for each byte that is not UTF-8: what came from outside may be anything, and is said all the same.
local function to_utf8(text)
  local parts, from = {}, 1
  local length, bad = utf8.len(text)
  while not length do
    parts[#parts + 1] = text:sub(from, bad - 1)
    from = bad + 1
    length, bad = utf8.len(text, from)
  end
  parts[#parts + 1] = text:sub(from)
  return table.concat(parts, "\u{FFFD}")
end

local function json_value(value)
  local ok, text = pcall(json.encode, value)
  return ok and text or json.encode(to_utf8(plain_text(value)))
end

local function json_line(level, message, fields, now)
  local parts = {
    ('"time":"%s%sZ"'):format(os.date("!%Y-%m-%dT%H:%M:%S", now // 1 | 0), ("%.3f"):format(now % 1):sub(2)),
    '"level":' .. json_value(level), '"message":' .. json_value(message),
  }
  for _, name in ipairs(sorted(fields)) do
    parts[#parts + 1] = json_value(name) .. ":" .. json_value(fields[name])
  end
  return "{" .. table.concat(parts, ",") .. "}\n"
end

local function is_terminal()
  local ok, tty = pcall(function() return require("rille.tty").is(2) end)
  return ok and tty or false
end

local function write_all()
  while #queue > 0 do
    local lines = table.concat(queue)
    queue = {}
    if dropped > 0 then
      lines = lines .. (format == "json" and json_line or pretty)("warn", "log lines were dropped", { count = dropped }, os.time())
      dropped = 0
    end
    sink:write(lines)
  end
end

-- Also at the end of the program, when detached tasks are cancelled, every line is written: a write that has begun must not
-- be cut. Who takes nothing for the length of a grace period is given up.
local function writer()
  local _ <close> = guard(function() writing = false end)
  local inner
  local work = rille.async(rille.shield)(rille.group, function(group)
    inner = group
    write_all()
  end)
  local ok, err = rille.catch_cancel(work.await, work)
  if ok then return end
  local _ <close> = guard(function()
    if inner then inner:cancel { grace = 0 } end
  end)
  work:await()
  error(err, 0)
end

-- For os.exit, which waits for no task: what is left goes to standard error.
function log._flush()
  local lines = table.concat(queue)
  queue = {}
  io.stderr:write(lines)
end

local function emit(line)
  if #queue >= QUEUE_MAX then
    dropped = dropped + 1
    return
  end
  queue[#queue + 1] = line
  if writing then
    return
  end
  sink = sink or rille.stderr
  writing = pcall(rille.detach, writer)
  if not writing then
    local lines = table.concat(queue)
    queue = {}
    io.stderr:write(lines)
  end
end

local epoch = os.time() - rille.now() -- of the wall clock: whole seconds are exact, fractions are a guess

local function check_fields(fields, call, level)
  if type(fields) ~= "table" then
    error(("log.%s: a table of fields expected, got %s"):format(call, type(fields)), level)
  end
end

local function record(base, level, message, fields)
  if fields ~= nil then
    check_fields(fields, level, 4)
  end
  if LEVELS[level] < threshold then
    return
  end
  if not format then
    format = is_terminal() and "pretty" or "json"
    color = format == "pretty" and (getenv "NO_COLOR" or "") == ""
  end
  local all = {}
  for name, value in pairs(base) do
    all[name] = value
  end
  for name, value in pairs(fields or {}) do
    all[name] = value
  end
  emit((format == "json" and json_line or pretty)(level, tostring(message), all, epoch + rille.now()))
end

--- @class rille.Logger
--- @field debug fun(self, message: any, fields?: table<string, any>)
--- @field info fun(self, message: any, fields?: table<string, any>)
--- @field warn fun(self, message: any, fields?: table<string, any>)
--- @field error fun(self, message: any, fields?: table<string, any>)
local Logger = {}
Logger.__index = Logger

for level in pairs(COLORS) do
  Logger[level] = function(self, message, fields)
    record(self.fields, level, message, fields)
  end
end

--- Says `message` at level debug. Fields follow in a table: `log.debug("opened", { path = path })`.
--- @param message any
--- @param fields? table<string, any>
function log.debug(message, fields)
  record({}, "debug", message, fields)
end

--- Says `message` at level info.
--- @param message any
--- @param fields? table<string, any>
function log.info(message, fields)
  record({}, "info", message, fields)
end

--- Says `message` at level warn.
--- @param message any
--- @param fields? table<string, any>
function log.warn(message, fields)
  record({}, "warn", message, fields)
end

--- Says `message` at level error.
--- @param message any
--- @param fields? table<string, any>
function log.error(message, fields)
  record({}, "error", message, fields)
end

--- A logger whose lines all carry these fields: methods `debug`, `info`, `warn`, `error`, `with`.
--- @param fields table<string, any>
--- @return rille.Logger
function log.with(fields)
  check_fields(fields, "with", 3)
  return setmetatable({ fields = fields }, Logger)
end

--- The same with more fields.
--- @param fields table<string, any>
--- @return rille.Logger
function Logger:with(fields)
  check_fields(fields, "with", 3)
  local all = {}
  for name, value in pairs(self.fields) do
    all[name] = value
  end
  for name, value in pairs(fields) do
    all[name] = value
  end
  return log.with(all)
end

--- Sets what is said: this level and those above. "info" by default, or what RILLE_LOG says.
--- @param level "debug"|"info"|"warn"|"error"|"off"
function log.level(level)
  threshold = LEVELS[level]
    or error(("log.level: 'debug', 'info', 'warn', 'error' or 'off' expected, got '%s'"):format(tostring(level)), 2)
end

--- Sets how: "pretty" or "json"; and where to: a stream, standard error by default.
--- @param options { format?: "pretty"|"json", stream?: rille.Stream, color?: boolean }
function log.configure(options)
  check_options(options, { format = "string", stream = "any", color = "boolean" }, "log.configure")
  if options.format and options.format ~= "pretty" and options.format ~= "json" then
    error(("log.configure: option 'format': 'pretty' or 'json' expected, got '%s'"):format(options.format), 2)
  end
  format, sink = options.format or format, options.stream or sink
  if options.color ~= nil then
    color = options.color
  end
end

return log
