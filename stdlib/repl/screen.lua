-- Output of tasks while somebody types: it appears above the prompt, and the line is drawn again below it.
local screen = {}

local function last_byte(...)
  for i = select("#", ...), 1, -1 do
    local text = tostring((select(i, ...)))
    if text ~= "" then
      return text:sub(-1)
    end
  end
  return "\n"
end

local function newline()
  return "\n"
end

local function after_self(_, ...)
  return last_byte(...)
end

-- Replaces target[name] by a function that hides the line around it, where `wants` says so.
local function wrap(undo, editor, target, name, wants, ends)
  local before = target[name]
  undo[#undo + 1] = function()
    target[name] = before
  end
  target[name] = function(...)
    if not editor:reading() or not wants(...) then
      return before(...)
    end
    editor:hide()
    local last = ends(...)
    local _ <close> = setmetatable({}, { __close = function()
      if last ~= "\n" then
        io.stdout:flush()
        editor:newline()
      end
      editor:show()
    end })
    local results = table.pack(before(...))
    return table.unpack(results, 1, results.n)
  end
end

--- From here on what is printed leaves the line that is typed whole. Returns a function that ends it.
function screen.guard(editor, rille)
  local undo = {}
  wrap(undo, editor, _G, "print", function() return true end, newline)
  wrap(undo, editor, io, "write", function() return io.output() == io.stdout end, last_byte)
  wrap(undo, editor, getmetatable(io.stdout).__index, "write", function(file)
    return file == io.stdout or file == io.stderr
  end, after_self)
  local streams = getmetatable(rille.stdout).methods
  if type(streams) == "table" then
    wrap(undo, editor, streams, "write", function(s)
      return s == rille.stdout or s == rille.stderr
    end, after_self)
  end
  return function()
    for i = #undo, 1, -1 do
      undo[i]()
    end
  end
end

return screen
