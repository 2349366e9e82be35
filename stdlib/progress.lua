-- rille.progress: how far a piece of work is: a bar on a terminal, plain lines in a log.
local rille = require "rille"
local tty = require "rille.tty"

local BAR = 30                     -- columns
local REDRAW, LINE = 0.1, 5        -- seconds between two drawings, two lines
local FALLBACK_WIDTH = 80

--- @class rille.Progress
--- @field total number? nil: not known
--- @field done number
local Progress = {}
Progress.__index = Progress
Progress.__name = "rille.Progress"

local function duration(s)
  s = math.floor(s + 0.5)
  if s >= 3600 then return ("%d:%02d:%02d"):format(s // 3600, s // 60 % 60, s % 60) end
  return ("%d:%02d"):format(s // 60, s % 60)
end

local function short(n)
  for _, unit in ipairs { { 1e9, "G" }, { 1e6, "M" }, { 1e3, "k" } } do
    if n >= unit[1] then return ("%.1f%s"):format(n / unit[1], unit[2]) end
  end
  if n == math.floor(n) then return ("%d"):format(n) end
  return ("%.1f"):format(n)
end

--- The state in a line of words: `label 120/400 30% 59.8/s 0:05 left`.
--- @return string
function Progress:text()
  local elapsed = rille.now() - self.began
  local rate = elapsed > 0 and self.done / elapsed or 0
  local parts = {}
  if self.label ~= "" then parts[1] = self.label end
  if self.total then
    parts[#parts + 1] = ("%s/%s %d%%"):format(short(self.done), short(self.total), self:percent())
  else
    parts[#parts + 1] = short(self.done)
  end
  parts[#parts + 1] = ("%s/s"):format(short(rate))
  if self.closed then
    parts[#parts + 1] = ("in %s"):format(duration(elapsed))
  elseif self.total and rate > 0 then
    parts[#parts + 1] = ("%s left"):format(duration((self.total - self.done) / rate))
  end
  return table.concat(parts, " ")
end

--- @return integer
function Progress:percent()
  if not self.total or self.total <= 0 then return self.total and 100 or 0 end
  return math.floor(math.min(self.done / self.total, 1) * 100)
end

local function bar(self)
  if not self.total then return "" end
  local full = math.floor(self:percent() / 100 * BAR)
  return "[" .. ("#"):rep(full) .. ("."):rep(BAR - full) .. "] "
end

local function draw(self, last)
  local line = bar(self) .. self:text()
  if self.terminal then
    local found, columns = pcall(tty.size, 2)
    columns = found and columns or FALLBACK_WIDTH
    self.out:write("\r\27[K", line:sub(1, columns - 1), last and "\n" or "")
  else
    self.out:write(self:text(), "\n")
  end
  self.out:flush()
end

local function step(self)
  local now = rille.now()
  if now < self.next_draw then return end
  self.next_draw = now + (self.terminal and REDRAW or LINE)
  draw(self, false)
end

--- `n` more are done.
--- @param n? number 1
function Progress:add(n)
  self.done = self.done + (n or 1)
  if not self.closed then step(self) end
  return self
end

--- `n` are done in all.
--- @param n number
function Progress:set(n) return self:add(n - self.done) end

--- A function that does what `f` does and counts one more after each call: `rille.map(list, p:wrap(f))`.
--- @param f function
--- @return function
function Progress:wrap(f)
  local function counted(...)
    self:add(1)
    return ...
  end
  return function(...) return counted(f(...)) end
end

--- The last drawing.
function Progress:close()
  if self.closed then return end
  self.closed = true
  draw(self, true)
end

Progress.__close = Progress.close

--- @class rille.progress
--- @overload fun(total?: number, label?: string, options?: table): rille.Progress
local progress = {}

--- Begins to show progress on stderr. `total` nil: not known. Close it at the end:
--- `local p <close> = rille.progress(#list, "files")`.
--- @param total? number
--- @param label? string
--- @param options? {out?: any, terminal?: boolean} where to, by default io.stderr; and whether that is a terminal
--- @return rille.Progress
function progress.new(total, label, options)
  options = options or {}
  local terminal = options.terminal
  if terminal == nil then terminal = not options.out and tty.is(2) end
  return setmetatable({
    total = total,
    label = label or "",
    done = 0,
    began = rille.now(),
    next_draw = rille.now() + (terminal and 0 or LINE),
    terminal = terminal,
    out = options.out or io.stderr,
  }, Progress)
end

return setmetatable(progress, {
  __call = function(_, ...) return progress.new(...) end,
})
