--- HTTP/2 for http.serve: a task for each request of a connection.
local rille = require "rille"
local http = require "rille.native.http"
local native = require "rille.native.http2"

local h2 = {}

local function resolve(answer, request)
  while type(answer) == "table" and answer.respond do answer = answer:respond(request) end
  return answer
end

local function write_body(out, body, length)
  if type(body) == "string" then
    out:write(body)
    return out:finish()
  end
  local left = length
  for piece in type(body) == "function" and body or function() return body:read() end do
    if left then
      left = left - #piece
      if left < 0 then error("response: the body is longer than its Content-Length", 0) end
    end
    out:write(piece)
  end
  if left and left > 0 then error(("response: the body ended %d bytes before its Content-Length"):format(left), 0) end
  out:finish()
end

-- A body that is to be closed, whether it was sent or not.
local function closable(answer)
  local body = type(answer) == "table" and answer.body
  local meta = (type(body) == "table" or type(body) == "userdata") and getmetatable(body)
  return type(meta) == "table" and meta.__close and body or nil
end

local function respond(server, out, request, answer)
  if answer == nil then error("the handler returned no response", 0) end
  local _ <close> = closable(answer)
  local status, body, length = out:respond(answer, request.method == "HEAD")
  server._native:count(status)
  if body then write_body(out, body, length) end
end

local function plain(status, message)
  return { status = status, headers = { ["Content-Type"] = "text/plain; charset=utf-8" }, body = message .. "\n" }
end

-- The answer that an error becomes; nil if one was begun already.
local function on_failure(server, out, request, err)
  local refused, begun = out:refused()
  local asked, message = http.asked(err)
  local status = refused or asked
  if status then return not begun and plain(status, not refused and message or http.reason(status)) or nil end
  if not server._on_error then
    server:_report(err)
    return not begun and plain(500, http.reason(500)) or nil
  end
  local ok, answer = pcall(function() return resolve(server._on_error(err, request), request) end)
  if not ok then
    http.report(answer)
    answer = nil
  end
  return not begun and (answer or plain(500, http.reason(500))) or nil
end

-- Whether it tells that the client went away: nobody's error.
local function has_gone(err) return type(err) == "table" and rawget(err, "op") == "respond" end

local function serve_one(server, request, out)
  local held <close> = out
  -- The group is for what the handler spawns: its failure is this request's alone.
  local ok, err = pcall(rille.group, function()
    if out:begin() then respond(server, out, request, resolve(server._handler(request), request)) end
  end)
  out:over()
  if ok then return held end
  if has_gone(err) then return end
  local answer = on_failure(server, out, request, err)
  if not answer then return end
  ok, err = pcall(respond, server, out, request, answer)
  if ok or has_gone(err) then return end
  http.report(err)
  pcall(respond, server, out, request, plain(500, http.reason(500)))
end

--- Serves a connection to its end.
--- @async
function h2.serve(server, stream, limits)
  local conn <close> = native.connection(stream, limits)
  server._h2 = server._h2 + 1
  local _ <close> = setmetatable({}, { __close = function() server._h2 = server._h2 - 1 end })
  rille.group(function(g)
    g:spawn(function()
      server._halt:wait()
      conn:drain()
    end)
    while true do
      local request, out = conn:accept()
      if not request then break end
      g:spawn(serve_one, server, request, out)
    end
    g:cancel()
  end)
end

return h2
