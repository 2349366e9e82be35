--- HTTP/2 for http.serve: a task for each request of a connection.
local rille = require "rille"
local native = require "rille.native.http2"

local h2 = {}

local REASONS = { [400] = "Bad Request", [408] = "Request Timeout", [413] = "Content Too Large", [500] = "Internal Server Error" }

local function resolve(answer, request)
  while type(answer) == "table" and answer.respond do answer = answer:respond(request) end
  return answer
end

local function write_body(out, body, length)
  if type(body) == "string" then
    out:write(body)
    return out:finish()
  end
  local held <close> = type(body) == "userdata" and body or nil
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
  return held
end

local function respond(server, out, request, answer)
  if answer == nil then error("the handler returned no response", 0) end
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
  local status = refused or (type(err) == "table" and math.type(err.status) == "integer" and err.status)
  if status and status >= 400 and status < 500 then
    return not begun and plain(status, refused and REASONS[refused] or tostring(err.message or err)) or nil
  end
  if not server._on_error then
    server:_report(err)
    return not begun and plain(500, REASONS[500]) or nil
  end
  local ok, answer = pcall(function() return resolve(server._on_error(err, request), request) end)
  if not ok then
    io.stderr:write("rille.http: ", tostring(answer), "\n")
    answer = nil
  end
  return not begun and (answer or plain(500, REASONS[500])) or nil
end

local function serve_one(server, request, out)
  local held <close> = out
  if not out:begin() then return held end
  -- The group is for what the handler spawns: its failure is this request's alone.
  local ok, err = pcall(rille.group, function() respond(server, out, request, resolve(server._handler(request), request)) end)
  if ok then return held end
  if type(err) == "table" and err.op == "respond" then return end -- the client went away
  local answer = on_failure(server, out, request, err)
  if answer then pcall(respond, server, out, request, answer) end
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
