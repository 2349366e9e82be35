--- LTN12: filters, sources, sinks and pumps, as LuaSocket's programs use them.
local ltn12 = { _VERSION = "LTN12 1.0.3 (rille)", BLOCKSIZE = 2048, filter = {}, source = {}, sink = {}, pump = {} }

local filter, source, sink, pump = ltn12.filter, ltn12.source, ltn12.sink, ltn12.pump

-- A filter turns chunk into chunk; nil tells the end, and "" asks for more.

--- A filter from a low-level one that keeps its context in a value.
function filter.cycle(low, context, extra)
  return function(chunk)
    local result
    result, context = low(context, chunk, extra)
    return result
  end
end

--- Filters one after the other: each piece goes through all filters; at the end each is told in turn.
function filter.chain(...)
  local filters = { ... }
  local ended
  return function(chunk)
    if chunk then
      for _, f in ipairs(filters) do
        chunk = f(chunk) or ""
        if chunk == "" then return "" end
      end
      return chunk
    end
    if ended then return nil end
    ended = true
    local rest = ""
    for _, f in ipairs(filters) do
      local out = rest ~= "" and (f(rest) or "") or ""
      while true do
        local tail = f(nil)
        if not tail or tail == "" then break end
        out = out .. tail
      end
      rest = out
    end
    return rest ~= "" and rest or nil
  end
end

-- A source gives chunks, then nil, or nil and an error; and perhaps a source to go on with.

local function nothing() return nil end

function source.empty() return nothing end

function source.error(err)
  return function() return nil, err end
end

function source.file(handle, err)
  if not handle then return source.error(err or "unable to open file") end
  return function()
    local chunk = handle:read(ltn12.BLOCKSIZE)
    if not chunk then handle:close() end
    return chunk
  end
end

function source.string(text)
  if not text then return source.empty() end
  local at = 1
  return function()
    local chunk = text:sub(at, at + ltn12.BLOCKSIZE - 1)
    at = at + ltn12.BLOCKSIZE
    return chunk ~= "" and chunk or nil
  end
end

function source.table(list)
  local i = 0
  return function()
    i = i + 1
    return list[i]
  end
end

function source.simplify(from)
  return function()
    local chunk, err_or_next = from()
    from = type(err_or_next) == "function" and err_or_next or from
    if not chunk then return nil, err_or_next end
    return chunk
  end
end

--- A source that can be given chunks back: source(chunk).
function source.rewind(from)
  local kept = {}
  return function(chunk)
    if chunk then
      kept[#kept + 1] = chunk
      return nil
    end
    return table.remove(kept) or from()
  end
end

function source.chain(from, ...)
  for _, f in ipairs { ... } do
    local upstream, ended = from, false
    from = function()
      if ended then return nil end
      while true do
        local chunk, err = upstream()
        if err and not chunk then return nil, err end
        local out = f(chunk)
        if not chunk then
          ended = not out or out == ""
          if ended then return nil end
          upstream = nothing
          return out
        end
        if out and out ~= "" then return out end
      end
    end
  end
  return from
end

function source.cat(...)
  local list, i = { ... }, 1
  return function()
    while list[i] do
      local chunk, err = list[i]()
      if chunk then return chunk end
      if err then return nil, err end
      i = i + 1
    end
    return nil
  end
end

-- A sink takes chunks, then nil, and answers true, or nil and an error.

function sink.table(list)
  list = list or {}
  return function(chunk)
    if chunk then list[#list + 1] = chunk end
    return 1
  end, list
end

function sink.null()
  return function() return 1 end
end

function sink.error(err)
  return function() return nil, err end
end

function sink.file(handle, err)
  if not handle then return sink.error(err or "unable to open file") end
  return function(chunk)
    if chunk then return handle:write(chunk) end
    handle:close()
    return 1
  end
end

function sink.simplify(to)
  return function(chunk, err)
    local ok, err_or_next = to(chunk, err)
    if not ok then return nil, err_or_next end
    to = err_or_next or to
    return 1
  end
end

function sink.chain(...)
  local parts = { ... }
  local to = table.remove(parts)
  local f = #parts == 1 and parts[1] or filter.chain(table.unpack(parts))
  return function(chunk, err)
    local out = f(chunk)
    if out and out ~= "" then
      local ok, failure = to(out, err)
      if not ok then return nil, failure end
    end
    if chunk == nil then return to(nil, err) end
    return 1
  end
end

--- One chunk from source to sink.
function pump.step(from, to)
  local chunk, from_err = from()
  local ok, to_err = to(chunk, from_err)
  if chunk and ok then return 1 end
  return nil, from_err or to_err
end

--- All of them.
function pump.all(from, to, step)
  step = step or pump.step
  while true do
    local ok, err = step(from, to)
    if not ok then
      if err then return nil, err end
      return 1
    end
  end
end

return ltn12
