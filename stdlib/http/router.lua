--- http.router: from method and path to handler. A router is a handler itself.
local native = require "rille.native.http"

local router = {}

--- @class rille.http.Router
local Router = {}
Router.__index = Router

local function new_node() return { fixed = {} } end

-- Walks to the node of a pattern, making what is missing; the names of its parameters.
local function insert(root, pattern)
  if type(pattern) ~= "string" or pattern:sub(1, 1) ~= "/" then
    error(("route '%s' does not begin with a slash"):format(tostring(pattern)), 4)
  end
  local node, names = root, {}
  local segments, slash = native.split(pattern, false)
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

local function route_of(node, method)
  local routes = node and node.routes
  return routes and (routes[method] or (method == "HEAD" and routes.GET) or routes["*"])
end

-- The route of a node for what is sought; the methods of one that has others are noted.
local function take(node, sought)
  local route = route_of(node, sought.method)
  if route or not node or not node.routes then return route end
  local allowed = sought.allowed or {}
  sought.allowed = allowed
  for method in pairs(node.routes) do allowed[method] = true end
  allowed.HEAD = allowed.HEAD or allowed.GET
end

-- The route for segments i.. of a path, fixed ones first; `sought.values` has `count` parameters, and gets the others.
local function find(node, segments, i, sought, count)
  local segment, values = segments[i], sought.values
  if segment == nil then
    local route = take(sought.slash and node.slash or not sought.slash and node or nil, sought)
    if route then return route end
  else
    local next_node = node.fixed[segment]
    local route = next_node and find(next_node, segments, i + 1, sought, count)
    if route then return route end
    if node.one then
      values[count + 1] = segment
      route = find(node.one, segments, i + 1, sought, count + 1)
      if route then return route end
      values[count + 1] = nil
    end
  end
  local route = take(node.rest, sought)
  if route then
    local rest = table.concat(segments, "/", i)
    values[count + 1] = sought.slash and rest ~= "" and rest .. "/" or rest
  end
  return route
end

local function listed(allowed)
  local methods = {}
  for method in pairs(allowed) do methods[#methods + 1] = method end
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
  self._wraps[#self._wraps + 1], self._handler = wrap, nil
  return self
end

--- What is called when no route fits.
function Router:otherwise(handler)
  self._otherwise = handler
  return self
end

function Router:_dispatch(request)
  local path, method = request.raw_path, request.method
  local plain = route_of(self._plain[path], method)
  if plain then -- the usual case, without a walk
    request.params = {}
    return plain.handler(request)
  end
  local segments, slash = native.split(path, true)
  if not segments then return { status = 400, body = "Bad Request\n" } end
  local sought = { method = method, slash = slash, values = {} }
  local route = find(self._root, segments, 1, sought, 0)
  if route then
    local params = {}
    for i, name in ipairs(route.names) do params[name] = sought.values[i] end
    request.params = params
    return route.handler(request)
  end
  if not sought.allowed then
    if self._otherwise then return self._otherwise(request) end
    return { status = 404, body = "Not Found\n" }
  end
  local status = method == "OPTIONS" and 204 or 405
  local body = status == 405 and "Method Not Allowed\n" or nil
  return { status = status, headers = { Allow = listed(sought.allowed) }, body = body }
end

-- The wrappers around each other and all around the dispatch: each may call what is inside it as often as it likes.
local function compose(self)
  local handler = function(request) return self:_dispatch(request) end
  for i = #self._wraps, 1, -1 do
    local wrap, inside = self._wraps[i], handler
    handler = function(request) return wrap(request, inside) end
  end
  return handler
end

function Router:__call(request)
  local handler = self._handler
  if not handler then
    handler = compose(self)
    self._handler = handler
  end
  return handler(request)
end

--- An empty router.
--- @return rille.http.Router
function router.router()
  return setmetatable({ _root = new_node(), _plain = {}, _wraps = {} }, Router)
end

return router
