--- http.router: from method and path to handler. A router is a handler itself.
local native = require "rille.native.http"

local router = {}

--- @class rille.http.Router
local Router = {}
Router.__index = Router

local function split(path)
  local segments = {}
  for segment in path:gmatch "[^/]+" do segments[#segments + 1] = segment end
  return segments, path:sub(-1) == "/" and #path > 1
end

local function new_node() return { fixed = {} } end

-- Walks to the node of a pattern, making what is missing; the names of its parameters.
local function insert(root, pattern)
  if type(pattern) ~= "string" or pattern:sub(1, 1) ~= "/" then
    error(("route '%s' does not begin with a slash"):format(tostring(pattern)), 4)
  end
  local node, names = root, {}
  local segments, slash = split(pattern)
  for i, segment in ipairs(segments) do
    local kind, name = segment:match "^([:*])([%w_]*)$"
    if kind == ":" then
      if name == "" then error(("route '%s': a parameter needs a name"):format(pattern), 4) end
      names[#names + 1] = name
      node.one = node.one or new_node()
      node = node.one
    elseif kind == "*" then
      if i < #segments then error(("route '%s': '*' is the last segment"):format(pattern), 4) end
      names[#names + 1] = name == "" and "rest" or name
      node.rest = node.rest or new_node()
      return node.rest, names
    else
      node.fixed[segment] = node.fixed[segment] or new_node()
      node = node.fixed[segment]
    end
  end
  if slash then
    node.slash = node.slash or new_node()
    node = node.slash
  end
  return node, names
end

-- The node for segments i.. of a path, fixed ones first; `values` gets the parameters.
local function find(node, segments, i, slash, values)
  local segment = segments[i]
  if segment == nil then
    if slash and node.slash then return node.slash end
    if not slash and node.routes then return node end
  else
    local next_node = node.fixed[segment]
    local found = next_node and find(next_node, segments, i + 1, slash, values)
    if found then return found end
    if node.one and segment ~= "" then
      local count = #values
      values[count + 1] = segment
      found = find(node.one, segments, i + 1, slash, values)
      if found then return found end
      for j = #values, count + 1, -1 do values[j] = nil end
    end
  end
  if node.rest then
    local rest = table.concat(segments, "/", i)
    values[#values + 1] = slash and rest ~= "" and rest .. "/" or rest
    return node.rest
  end
end

local function decode(values)
  for i, value in ipairs(values) do
    values[i] = native.decode(value, true)
    if not values[i] then return nil end
  end
  return values
end

local function allowed(routes)
  local methods = {}
  for method in pairs(routes) do methods[#methods + 1] = method end
  if routes.GET and not routes.HEAD then methods[#methods + 1] = "HEAD" end
  table.sort(methods)
  return table.concat(methods, ", ")
end

--- Adds a handler for a method and a pattern: "/users/:id" has a parameter, "/files/*path" takes the rest. They are in
--- `request.params`.
--- @param method string
--- @param pattern string
--- @param handler fun(request: rille.http.Request): any
--- @return rille.http.Router self
function Router:route(method, pattern, handler)
  if type(handler) ~= "function" and type(handler) ~= "table" then
    error(("route '%s': the handler is a %s"):format(tostring(pattern), type(handler)), 3)
  end
  local node, names = insert(self._root, pattern)
  if #names == 0 then self._plain[pattern] = node end
  node.routes = node.routes or {}
  node.routes[method] = { handler = handler, names = names }
  return self
end

for _, method in ipairs { "get", "post", "put", "patch", "delete", "options", "head" } do
  Router[method] = function(self, pattern, handler) return self:route(method:upper(), pattern, handler) end
end

--- Adds a handler for every method.
function Router:any(pattern, handler) return self:route("*", pattern, handler) end

--- Adds a wrapper around every handler: `wrap(request, next)` returns an answer, its own or that of `next(request)`.
--- @param wrap fun(request: rille.http.Request, next: fun(request: rille.http.Request): any): any
--- @return rille.http.Router self
function Router:use(wrap)
  self._wraps[#self._wraps + 1] = wrap
  return self
end

--- What is called when no route fits.
function Router:otherwise(handler)
  self._otherwise = handler
  return self
end

function Router:_dispatch(request)
  local path, values = request.raw_path, {}
  local node = self._plain[path] -- the usual case, without a walk
  if not node then
    local segments, slash = split(path)
    node = find(self._root, segments, 1, slash, values)
  end
  if not node or not node.routes then
    if self._otherwise then return self._otherwise(request) end
    return { status = 404, body = "Not Found\n" }
  end
  local method = request.method
  local routes = node.routes
  local route = routes[method] or (method == "HEAD" and routes.GET) or routes["*"]
  if not route then
    local status = method == "OPTIONS" and 204 or 405
    local body = status == 405 and "Method Not Allowed\n" or nil
    return { status = status, headers = { Allow = allowed(routes) }, body = body }
  end
  if not decode(values) then return { status = 400, body = "Bad Request\n" } end
  local params = {}
  for i, name in ipairs(route.names) do params[name] = values[i] end
  request.params = params
  return route.handler(request)
end

function Router:__call(request)
  local chain, i = self._wraps, 0
  if #chain == 0 then return self:_dispatch(request) end
  local function step(r)
    i = i + 1
    local wrap = chain[i]
    if wrap then return wrap(r, step) end
    return self:_dispatch(r)
  end
  return step(request)
end

--- An empty router.
--- @return rille.http.Router
function router.router()
  return setmetatable({ _root = new_node(), _plain = {}, _wraps = {} }, Router)
end

return router
