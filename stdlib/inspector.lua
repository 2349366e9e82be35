-- `rille --inspect`: a page on loopback that shows the tasks of the running program.
local http = require "rille.http"
local json = require "rille.json"
local program = require "rille.native.program"
local rille = require "rille"

local function is_ours(task, hidden)
  return hidden[task.id] or (task.parent and hidden[task.parent])
end

local function tasks(root)
  local list, hidden = {}, { [root] = true }
  for _, task in ipairs(rille.tasks()) do
    local stats = program.task(task)
    if stats then
      if is_ours(stats, hidden) then
        hidden[stats.id] = true
      else
        stats.name = task.name
        stats.stack = task:traceback()
        list[#list + 1] = stats
      end
    end
  end
  return list
end

local function state(root)
  local stats = program.stats()
  local lag = stats.lag
  stats.lag = { max = lag.max, recent = lag.recent, counts = table.move(lag, 1, #lag, 1, {}) }
  stats.slowest = json.array(stats.slowest)
  return { stats = stats, tasks = json.array(tasks(root)), now = rille.now() }
end

-- Pages elsewhere must not reach it by a name that they make point here.
local function is_local(request, host)
  local name = (request.headers.host or ""):gsub(":%d+$", "")
  return name == "127.0.0.1" or name == "localhost" or name == "[::1]" or name == host
end

local function handler(host, root)
  return function(request)
    if not is_local(request, host) then
      return { status = 403, body = "not for this host name" }
    elseif request.path == "/" then
      return { headers = { ["content-type"] = "text/html; charset=utf-8" }, body = program.source "inspector.html" }
    elseif request.path == "/state" then
      return http.json(state(root()))
    end
    return { status = 404, body = "not found" }
  end
end

--- Serves the page in a task of its own, which does not keep the program alive.
--- @param address string "HOST:PORT"; nothing: 127.0.0.1:9230
return function(address)
  local host, port = (address ~= "" and address or "127.0.0.1:9230"):match "^(.*):(%d+)$"
  if not host then
    error(("--inspect wants HOST:PORT, not '%s'"):format(address), 0)
  end
  program.stats()
  local listener = rille.net.listen(host == "" and "127.0.0.1" or host, tonumber(port))
  local at = listener:address()
  io.stderr:write(("rille: inspector at http://%s:%d/\n"):format(at.host, at.port))
  local task
  task = rille.detach(function()
    http.serve { listener = listener, handler = handler(host, function() return task.id end), on_error = function() end }
  end)
  task.name = "inspector"
end
