-- rille.fs: files and directories. Every call waits; what it does runs on a thread of the file
-- pool.
local native = require "rille.native.fs"
local path = require "rille.path"
local glob = require "rille.fs.glob"
local options = require "rille.options"
local watch = require "rille.fs.watch"
local getenv = options.getenv

local shield = require("rille.native.scope").shield

local fs = {}

local TEMPORARY = { dir = "string", prefix = "string" }

--- A file that is open: a stream at one position, as `io` has it.
--- @class rille.File: rille.Stream
--- @field seek fun(self, whence?: "set"|"cur"|"end", offset?: integer): integer moves, and returns the position
--- @field stat fun(self): rille.Stat
--- @field truncate fun(self, size?: integer) cuts the file, or fills it up with zeroes; the position by default
--- @field sync fun(self) returns when the bytes are on the device
--- @field close fun(self) writes what is left, and raises if that fails

--- @class rille.Stat
--- @field type "file"|"directory"|"link"|"fifo"|"socket"|"character"|"block"|"unknown"
--- @field size integer
--- @field mode integer the permission bits
--- @field uid integer
--- @field gid integer
--- @field links integer
--- @field device integer
--- @field inode integer
--- @field mtime number seconds since 1970
--- @field atime number
--- @field ctime number

local function read_polled(stream, file, limit)
  local input <close> = stream
  local pieces, total = {}, 0
  for chunk in input:chunks() do
    total = total + #chunk
    if total > limit then
      error(options.failure("LIMIT", "read", file, ("more than %d bytes"):format(limit)), 0)
    end
    pieces[#pieces + 1] = chunk
  end
  return table.concat(pieces)
end

--- The whole of a file. A FIFO is read to its end without holding up anything else.
--- @async
--- @param file string
--- @param opts? { limit: integer } more bytes raise LIMIT; 1 GiB by default
--- @return string
--- @raise system errors of open and read, LIMIT
function fs.read(file, opts)
  local data, stream = native.read(file, opts)
  return data or read_polled(stream, file, opts and opts.limit or 1 << 30)
end

--- Replaces a file's contents, or adds to them.
---
--- `atomic`: readers see the old file or the new one, whole, also after a crash: a temporary file
--- beside it is written, synced and renamed, and the directory synced. `sync`: returns when the
--- bytes are on the device.
--- @async
--- @param file string
--- @param data string
--- @param opts? { mode: integer|string, append: boolean, atomic: boolean, sync: boolean }
--- @raise system errors of open, write, fsync, close and rename
function fs.write(file, data, opts)
  local stream = native.write(file, data, opts)
  if stream then
    local output <close> = stream
    output:write(data):flush()
  end
end

--- Opens a file. Modes are those of `io.open`, and "x" after w or a: the file must be new.
--- @async
--- @param file string
--- @param mode? string "r" by default
--- @param opts? { mode: integer|string } the permissions of a new file; 0666 without the umask by default
--- @return rille.File
--- @raise system errors of open
fs.open = native.open

--- What a file is: its type, size, owner, mode and times. A link is followed.
--- @async
--- @param file string
--- @return rille.Stat # of what a link leads to
--- @raise system errors of stat
fs.stat = native.stat

--- The same of a link itself.
--- @async
--- @param file string
--- @return rille.Stat # of a link itself
--- @raise system errors of lstat
fs.lstat = native.lstat

--- Whether there is something under a name.
--- @async
--- @param file string
--- @return boolean # false also for a link that leads nowhere
--- @raise system errors of stat, but ENOENT and ENOTDIR
fs.exists = native.exists

--- Makes a directory; with `parents` also those above it, and it may be there already.
--- @async
--- @param dir string
--- @param opts? { parents: boolean, mode: integer|string }
--- @raise system errors of mkdir
fs.mkdir = native.mkdir

--- Removes a file, a link or an empty directory; with `recursive` a directory with all in it. Links
--- are removed, never followed, also when someone swaps a directory for one meanwhile. When a
--- cancelled removal returns, it has stopped.
--- @async
--- @param file string
--- @param opts? { recursive: boolean }
--- @raise system errors of unlink and rmdir
fs.remove = native.remove

--- Gives a file another name on the same file system; a file of that name is replaced.
--- @async
--- @param from string
--- @param to string
--- @raise system errors of rename
fs.rename = native.rename

--- Copies a file, and its mode if `to` is new. A copy that fails leaves no new file.
--- @async
--- @param from string
--- @param to string
--- @raise system errors of open, read and write
fs.copy = native.copy

--- Makes `name` another name of the file.
--- @async
--- @param file string
--- @param name string
--- @raise system errors of link
fs.link = native.link

--- Makes `name` a symbolic link with that target.
--- @async
--- @param target string
--- @param name string
--- @raise system errors of symlink
fs.symlink = native.symlink

--- Where a symbolic link leads.
--- @async
--- @param link string
--- @return string # its target, as it was given
--- @raise system errors of readlink
fs.readlink = native.readlink

--- The one name of a file: from the root, with every link followed.
--- @async
--- @param file string
--- @return string # the absolute path without links
--- @raise system errors of realpath
fs.realpath = native.realpath

--- Sets the permission bits of a file; a link is followed.
--- @async
--- @param file string
--- @param mode integer|string an integer, or octal digits: "644"
--- @raise system errors of chmod
fs.chmod = native.chmod

--- Sets the owner of a file, the group, or both; a link is followed.
--- @async
--- @param file string
--- @param uid? integer unchanged by default
--- @param gid? integer unchanged by default
--- @raise system errors of chown
fs.chown = native.chown

--- Sets the times of the last access and change, in seconds since 1970; now by default.
--- @async
--- @param file string
--- @param atime? number
--- @param mtime? number
--- @raise system errors of utimensat
fs.utime = native.utime

--- The entries of a directory, in the order the system keeps them, read as the loop goes: `for
--- name, type in fs.list(dir)`.
--- @async
--- @param dir string
--- @return fun(): string?, string? # types are those of rille.Stat
--- @raise system errors of opendir and getdents
function fs.list(dir)
  local entries = native.opendir(dir)
  return native.next, entries, nil, entries
end

-- Walks on when a directory went away or may not be read: that is no error of the walk's caller.
local function try_open(dir)
  local ok, entries = pcall(native.opendir, dir, false)
  if ok then
    return entries
  end
  local code = type(entries) == "table" and entries.code
  if code == "ENOENT" or code == "ENOTDIR" or code == "ELOOP" or code == "EACCES" or code == "DENIED" then
    return nil
  end
  error(entries, 0)
end

local Walk = {}

function Walk.__close(walk)
  for depth = #walk, 1, -1 do
    walk[depth].entries:close()
    walk[depth] = nil
  end
end

local function next_in_walk(walk)
  while #walk > 0 do
    local level = walk[#walk]
    local name, kind = native.next(level.entries)
    if name then
      local file = path.join(level.dir, name)
      if kind == "directory" and #walk < walk.max_depth then
        local entries = shield(try_open, file) -- else a cancellation would drop the name
        if entries then
          walk[#walk + 1] = { entries = entries, dir = file }
        end
      end
      return file, kind
    end
    level.entries:close()
    walk[#walk] = nil
  end
end

--- Everything below a directory, each directory before what is in it: `for path, type in
--- fs.walk(dir)`. Links are not followed, and directories that may not be read are passed over.
--- @async
--- @param dir string
--- @param opts? { max_depth: integer } 1: as `list`
--- @return fun(): string?, string?
--- @raise system errors of opendir (of `dir` itself) and getdents
function fs.walk(dir, opts)
  options.check(opts, { max_depth = "number" }, "fs.walk")
  local walk = setmetatable({ max_depth = opts and opts.max_depth or math.huge }, Walk)
  walk[1] = { entries = native.opendir(dir), dir = dir }
  return next_in_walk, walk, nil, walk
end

--- The paths that match a pattern, sorted: a list, which a `for` loop can also call.
---
--- `*` and `?` match within a name, `[a-z]` and `[!a-z]` one character, `**` any number of
--- directories, `{a,b}` either. A name that begins with a dot is matched only by a pattern that
--- does.
--- @async
--- @param pattern string
--- @return string[] paths
--- @raise system errors of opendir and getdents
function fs.glob(pattern)
  if type(pattern) ~= "string" then
    error("fs.glob: string expected, got " .. type(pattern), 2)
  end
  return glob.find(fs, pattern)
end

local function remove_if_there(dir)
  if native.exists(dir) then
    native.remove(dir, { recursive = true })
  end
end

--- A new empty directory that only this user can enter. The second value removes it, with all in
--- it, when it is closed: `local dir, guard <close> = fs.temp_dir()`.
--- @async
--- @param opts? { dir: string, prefix: string } $TMPDIR or /tmp, "rille-"
--- @return string dir
--- @return { close: fun() } guard
--- @raise system errors of mkdir
function fs.temp_dir(opts)
  options.check(opts, TEMPORARY, "fs.temp_dir")
  opts = opts or {}
  local dir = native.temp_dir(opts.dir or getenv "TMPDIR" or "/tmp", opts.prefix or "rille-")
  return dir, options.guard(function()
    shield(remove_if_there, dir) -- a cancellation that comes just now leaves nothing behind
  end)
end

--- A new empty file that only this user can open, open for reading and writing. It stays until
--- someone removes it.
--- @async
--- @param opts? { dir: string, prefix: string } $TMPDIR or /tmp, "rille-"
--- @return rille.File file
--- @return string path
--- @raise system errors of open
function fs.temp_file(opts)
  options.check(opts, TEMPORARY, "fs.temp_file")
  opts = opts or {}
  return native.temp_file(opts.dir or getenv "TMPDIR" or "/tmp", opts.prefix or "rille-")
end

--- Watches a file or directory: `for event in fs.watch(dir, { recursive = true })`. It watches from
--- the call on, until the loop is left or the value closed, or what it watches is removed.
---
--- An event has `path`, `directory` (true or false) and `type`: "create", "change" (contents or
--- permissions), "remove", "rename" (then `from` is the old path), or "overflow": there were more
--- changes than the system keeps, look for yourself.
--- @async
--- @param file string
--- @param opts? { recursive: boolean }
--- @return rille.Watch
--- @raise system errors of inotify_add_watch
function fs.watch(file, opts)
  options.check(opts, { recursive = "boolean" }, "fs.watch")
  local watcher = watch.open(fs, file, opts and opts.recursive or false)
  return watcher, nil, nil, watcher
end

return fs
