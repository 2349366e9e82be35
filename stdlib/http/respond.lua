--- Answers that handlers return.
local native = require "rille.native.http"
local check = require("rille.options").check

local respond = {}

local answer_known = { status = "integer", headers = "table" }
local event_known = { event = "any", id = "any", retry = "number" }

local encode -- of rille.json, loaded at the first use

-- `headers`, and `extra` in it; a field of `extra` takes the place of one in any case.
local function with(headers, extra)
  if not extra then return headers end
  for name, value in pairs(extra) do
    for known in pairs(headers) do
      if known:lower() == name:lower() then headers[known] = nil end
    end
    headers[name] = value
  end
  return headers
end

--- A JSON answer.
--- @param value any
--- @param options {status: integer?, headers: table?}?
function respond.json(value, options)
  check(options, answer_known, "http.json")
  options = options or {}
  encode = encode or require("rille.json").encode
  return {
    status = options.status or 200,
    headers = with({ ["Content-Type"] = "application/json" }, options.headers),
    body = encode(value),
  }
end

--- An HTML answer.
--- @param text string
--- @param options {status: integer?, headers: table?}?
function respond.html(text, options)
  check(options, answer_known, "http.html")
  options = options or {}
  return {
    status = options.status or 200,
    headers = with({ ["Content-Type"] = "text/html; charset=utf-8" }, options.headers),
    body = text,
  }
end

--- Sends the client elsewhere: 302, or the given status.
--- @param location string
--- @param status integer?
function respond.redirect(location, status)
  return { status = status or 302, headers = { Location = location }, body = "" }
end

--- Raises an error that is answered with `status` (400 to 499) and `message`.
--- @param status integer
--- @param message string?
--- @raise always
function respond.error(status, message)
  error(native.failure(status, message or native.reason(status)), 0)
end

local function event(data, options)
  local lines = {}
  for _, name in ipairs { "event", "id" } do
    local value = options[name]
    if value then
      value = tostring(value)
      if value:find "[\r\n%z]" then error(name .. " holds a line end", 4) end
      lines[#lines + 1] = name .. ": " .. value
    end
  end
  if options.retry then lines[#lines + 1] = ("retry: %d"):format(math.floor(options.retry * 1000)) end
  for line in (tostring(data):gsub("\r\n?", "\n") .. "\n"):gmatch "(.-)\n" do
    lines[#lines + 1] = "data: " .. line
  end
  return table.concat(lines, "\n") .. "\n\n"
end

-- The events of a producer, which runs in a coroutine, as a body.
local Events = {}
Events.__index = Events

function Events:read() return self.next() end

function Events:send(data, options)
  if coroutine.running() ~= self.producer then error("only the coroutine of its producer can send an event", 3) end
  coroutine.yield(event(data, options))
  if self.gone then error(self.gone, 0) end
end

-- A producer that waits to go on fails where it sends, so that what it holds is closed.
function Events:__close()
  if not self.producer or coroutine.status(self.producer) ~= "suspended" then return end
  self.gone = native.failure(0, "the client of the events has gone", "ECONNRESET")
  local ok, err = pcall(self.next)
  if coroutine.status(self.producer) == "suspended" then ok, err = coroutine.close(self.producer) end
  if not ok and not rawequal(err, self.gone) then error(err, 0) end
end

--- Server-sent events: `produce(send)` runs while the client listens; `send(data, {event=, id=, retry=})` raises ECONNRESET
--- when it has gone.
--- @param produce fun(send: fun(data: string, options: table?))
function respond.sse(produce)
  local events = setmetatable({}, Events)
  events.next = coroutine.wrap(function()
    events.producer = coroutine.running()
    produce(function(data, options)
      check(options, event_known, "send")
      events:send(data, options or {})
    end)
  end)
  return {
    headers = { ["Content-Type"] = "text/event-stream", ["Cache-Control"] = "no-cache", ["X-Accel-Buffering"] = "no" },
    body = events,
  }
end

return respond
