-- Watching files and trees: which directories inotify looks at, and what its events mean.
local native = require "rille.native.fswatch"
local options = require "rille.options"
local path = require "rille.path"
local shield = require("rille.native.scope").shield

local watch = {}

local CHANGES = native.CREATE
  | native.DELETE
  | native.MODIFY
  | native.ATTRIB
  | native.MOVED_FROM
  | native.MOVED_TO
  | native.DELETE_SELF
  | native.MOVE_SELF
  | native.EXCL_UNLINK

--- @class rille.Watch
--- @field next fun(self): table? the next event
--- @field close fun(self)
local Watch = {}
Watch.__index = Watch

function Watch:close()
  self.inotify:close()
end

Watch.__close = Watch.close

local function event(kind, file, directory)
  return { type = kind, path = file, directory = directory }
end

local function is_gone(err)
  local code = type(err) == "table" and err.code
  return code == "ENOENT" or code == "ENOTDIR"
end

local function watch_directory(self, dir)
  local ok, number = pcall(self.inotify.add, self.inotify, dir, CHANGES | native.ONLYDIR | native.DONT_FOLLOW)
  if ok then
    self.paths[number] = dir
    self.numbers[dir] = number
  elseif not is_gone(number) then
    error(number, 0)
  end
  return ok
end

local function names_in(self, dir)
  local names = {}
  local ok, err = pcall(function()
    for name, kind in self.fs.list(dir) do
      names[name] = kind
    end
  end)
  if not ok and not is_gone(err) then
    error(err, 0)
  end
  return names
end

-- Watches a directory and all below it. Each is watched before it is listed: what appears meanwhile is in the list, or
-- told by inotify, or both. With `tell`, what is in the lists is told as created, once.
local function scan(self, dir, tell)
  if not watch_directory(self, dir) then
    return
  end
  for name, kind in pairs(names_in(self, dir)) do
    local file = path.join(dir, name)
    if tell then
      self.told[file] = true
      self.queue[#self.queue + 1] = event("create", file, kind == "directory")
    end
    if kind == "directory" then
      scan(self, file, tell)
    end
  end
end

local function below(file, dir)
  return file == dir or file:sub(1, #dir + 1) == dir .. "/"
end

local function move_numbers(self, from, to)
  for number, dir in pairs(self.paths) do
    if below(dir, from) then
      self.numbers[dir] = nil
      self.paths[number] = to and to .. dir:sub(#from + 1) or nil
      if to then
        self.numbers[self.paths[number]] = number
      else
        pcall(self.inotify.drop, self.inotify, number)
      end
    end
  end
end

-- The other half of a rename, if it is the very next event.
local function moved_to(self, cookie)
  local number, mask, other, name = self.inotify:try_next()
  if not number then
    return nil
  end
  if mask & native.MOVED_TO ~= 0 and other == cookie and self.paths[number] then
    return path.join(self.paths[number], name)
  end
  self.held = { number, mask, other, name }
end

local function on_self(self, dir, mask)
  if dir ~= self.root then
    return nil  -- the directory above tells of it
  end
  if mask & (native.DELETE_SELF | native.MOVE_SELF) ~= 0 then
    self.over = true
    return event("remove", dir, self.directory)
  end
  if mask & (native.MODIFY | native.ATTRIB) ~= 0 then
    return event("change", dir, self.directory)
  end
end

local function on_create(self, file, directory)
  if self.told[file] then
    self.told[file] = nil
    return nil
  end
  if directory and self.recursive then
    scan(self, file, true)
  end
  return event("create", file, directory)
end

local function on_leave(self, file, directory, cookie)
  local to = cookie ~= 0 and moved_to(self, cookie)
  if directory and self.recursive then
    move_numbers(self, file, to or nil)
  end
  if not to then
    return event("remove", file, directory)
  end
  local moved = event("rename", to, directory)
  moved.from = file
  return moved
end

-- What an event of inotify means here; nil: nothing.
local function translate(self, number, mask, cookie, name)
  if mask & native.OVERFLOW ~= 0 then
    return event("overflow", self.root, self.directory)
  end
  local dir = self.paths[number]
  if not dir then
    return nil
  end
  if mask & native.IGNORED ~= 0 then
    self.paths[number], self.numbers[dir] = nil, nil
    self.over = self.over or dir == self.root
    return nil
  end
  if not name then
    return on_self(self, dir, mask)
  end
  local file, directory = path.join(dir, name), mask & native.ISDIR ~= 0
  if mask & (native.CREATE | native.MOVED_TO) ~= 0 then
    return on_create(self, file, directory)
  end
  if mask & (native.DELETE | native.MOVED_FROM) ~= 0 then
    self.told[file] = nil
    return on_leave(self, file, directory, cookie)
  end
  return event("change", file, directory)
end

--- The next event; nil when what is watched is gone. Waits.
--- @async
function Watch:next()
  while true do
    local first = table.remove(self.queue, 1)
    if first then
      return first
    end
    if self.over then
      return nil
    end
    local got = self.held or { self.inotify:next() }
    self.held = nil
    if not got[1] then
      return nil
    end
    local found = shield(translate, self, table.unpack(got, 1, 4)) -- it may have to look into a directory
    if found then
      table.insert(self.queue, 1, found)
    end
  end
end

Watch.__call = Watch.next

--- @param fs table rille.fs
--- @param file string
--- @param recursive boolean
function watch.open(fs, file, recursive)
  local directory = fs.stat(file).type == "directory"
  local self = setmetatable({
    fs = fs,
    root = file,
    directory = directory,
    recursive = recursive and directory,
    inotify = native.open(),
    paths = {}, -- of the directories watched, by inotify's number
    numbers = {},
    queue = {}, -- events to be told
    told = {}, -- paths told as created before inotify tells
  }, Watch)
  local _ <close> = options.guard(function()
    if not self.opened then
      self:close()
    end
  end)
  local number = self.inotify:add(file, CHANGES)
  self.paths[number], self.numbers[file] = file, number
  if self.recursive then
    scan(self, file, false)
  end
  self.opened = true
  return self
end

return watch
