-- rille.path: paths as text. Pure functions: none looks at the file system, but `absolute` asks for
-- the working directory.
local path = {}

local concat = table.concat

local function check(p, call)
  if type(p) ~= "string" then
    error(("path.%s: string expected, got %s"):format(call, type(p)), 3)
  end
end

--- True if `p` begins at the root.
--- @param p string
--- @return boolean
function path.is_absolute(p)
  check(p, "is_absolute")
  return p:byte(1) == 47
end

--- Joins parts with one slash between them. Empty parts are left out; an absolute part starts anew.
--- @param ... string
--- @return string # "" if every part is empty
function path.join(...)
  local joined = ""
  for i = 1, select("#", ...) do
    local part = select(i, ...)
    if type(part) ~= "string" then
      error(("path.join: argument %d: string expected, got %s"):format(i, type(part)), 2)
    end
    if part ~= "" then
      if joined == "" or path.is_absolute(part) then
        joined = part
      elseif joined:sub(-1) == "/" then
        joined = joined .. part
      else
        joined = joined .. "/" .. part
      end
    end
  end
  return joined
end

-- The text without the slashes at its end; "/" stays.
local function trim(p)
  local bare = p:match("^(.-)/*$")
  if bare == "" and p ~= "" then
    return "/"
  end
  return bare
end

--- The last part: "c.txt" of "a/b/c.txt", "b" of "a/b/", "/" of "/".
--- @param p string
--- @param suffix? string left out of the result, if the name ends with it and is more than it
--- @return string
function path.basename(p, suffix)
  check(p, "basename")
  check(suffix or "", "basename")
  local bare = trim(p)
  local name = bare == "/" and "/" or bare:match("[^/]*$")
  if suffix and suffix ~= "" and #name > #suffix and name:sub(-#suffix) == suffix then
    return name:sub(1, -#suffix - 1)
  end
  return name
end

--- All but the last part: "a/b" of "a/b/c.txt", "." of "c.txt", "/" of "/a".
--- @param p string
--- @return string
function path.dirname(p)
  check(p, "dirname")
  local dir = trim(p):match("^(.*)/[^/]*$")
  if not dir then
    return "."
  end
  return dir == "" and "/" or trim(dir)
end

--- `dirname` and `basename` at once.
--- @param p string
--- @return string dir
--- @return string name
function path.split(p)
  check(p, "split")
  return path.dirname(p), path.basename(p)
end

--- The end of the name from its last dot: ".gz" of "a.tar.gz", "" of "README", ".profile" and "..".
--- @param p string
--- @return string
function path.extension(p)
  check(p, "extension")
  return path.basename(p):match("^%.*[^.].*(%.[^.]*)$") or ""
end

--- The name without its extension: "a.tar" of "x/a.tar.gz".
--- @param p string
--- @return string
function path.stem(p)
  check(p, "stem")
  return path.basename(p, path.extension(p))
end

--- The same path with another extension.
--- @param p string
--- @param extension string with its dot, or "" for none
--- @return string
function path.with_extension(p, extension)
  check(p, "with_extension")
  check(extension, "with_extension")
  local bare = trim(p)
  return bare:sub(1, #bare - #path.extension(bare)) .. extension
end

--- The names in a path, without empty ones and without ".".
--- @param p string
--- @return string[]
function path.parts(p)
  check(p, "parts")
  local parts = {}
  for part in p:gmatch("[^/]+") do
    if part ~= "." then
      parts[#parts + 1] = part
    end
  end
  return parts
end

--- The shortest text for the same path: no "//", no ".", and no ".." after a name. By text alone:
--- where a name is a link, ".." after it would have led elsewhere.
--- @param p string
--- @return string # "." for the empty path
function path.normalize(p)
  check(p, "normalize")
  local rooted, kept = path.is_absolute(p), {}
  for _, part in ipairs(path.parts(p)) do
    if part ~= ".." then
      kept[#kept + 1] = part
    elseif kept[#kept] and kept[#kept] ~= ".." then
      kept[#kept] = nil
    elseif not rooted then
      kept[#kept + 1] = part
    end
  end
  local text = concat(kept, "/")
  if rooted then
    return "/" .. text
  end
  return text == "" and "." or text
end

--- The normalized path from the root.
--- @param p string
--- @param base? string where a relative path begins: the working directory
--- @return string
function path.absolute(p, base)
  check(p, "absolute")
  if path.is_absolute(p) then
    return path.normalize(p)
  end
  base = base or ""
  if not path.is_absolute(base) then
    base = path.join(require("rille.native.os").cwd(), base)
  end
  return path.normalize(path.join(base, p))
end

--- The way from `base` to `p`: "../c" from "/a/b" to "/a/c". Relative ones begin at the working
--- directory.
--- @param p string
--- @param base? string the working directory
--- @return string
function path.relative(p, base)
  check(p, "relative")
  local to, from = path.parts(path.absolute(p)), path.parts(path.absolute(base or ""))
  local same = 0
  while same < #to and same < #from and to[same + 1] == from[same + 1] do
    same = same + 1
  end
  local way = {}
  for _ = same + 1, #from do
    way[#way + 1] = ".."
  end
  for i = same + 1, #to do
    way[#way + 1] = to[i]
  end
  return #way == 0 and "." or concat(way, "/")
end

--- True if `p` is `dir` or lies below it, by text. Links are not looked at.
--- @param p string
--- @param dir string
--- @return boolean
function path.is_inside(p, dir)
  check(p, "is_inside")
  check(dir, "is_inside")
  local inner, outer = path.absolute(p), path.absolute(dir)
  return inner == outer or outer == "/" or inner:sub(1, #outer + 1) == outer .. "/"
end

return path
