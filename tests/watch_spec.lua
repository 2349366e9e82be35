-- rille.fs.watch: what it tells of changes.
local rille = require "rille"
local fs = require "rille.fs"

-- The next event that is no change of contents or permissions.
local function next_but_changes(watch)
  local event
  repeat
    event = watch:next()
  until event == nil or event.type ~= "change"
  return event
end

describe("rille.fs.watch", function()
  it("tells of files that are made, changed, renamed and removed", function()
    local dir <const>, _ <close> = fs.temp_dir()
    local watch <close> = fs.watch(dir)
    fs.write(dir .. "/a", "x")
    assert.same({ type = "create", path = dir .. "/a", directory = false }, watch:next())
    assert.same({ type = "change", path = dir .. "/a", directory = false }, watch:next())
    fs.rename(dir .. "/a", dir .. "/b")
    assert.same({ type = "rename", path = dir .. "/b", from = dir .. "/a", directory = false }, watch:next())
    fs.remove(dir .. "/b")
    assert.same({ type = "remove", path = dir .. "/b", directory = false }, next_but_changes(watch))
    fs.mkdir(dir .. "/sub")
    assert.same({ type = "create", path = dir .. "/sub", directory = true }, watch:next())
  end)

  it("tells only of names that come or go when the other end of a rename is not watched", function()
    local dir <const>, _ <close> = fs.temp_dir()
    local other <const>, _ <close> = fs.temp_dir()
    local watch <close> = fs.watch(dir)
    fs.write(other .. "/a", "")
    fs.rename(other .. "/a", dir .. "/a")
    assert.equal("create", watch:next().type)
    fs.rename(dir .. "/a", other .. "/a")
    assert.equal("remove", watch:next().type)
  end)

  it("follows a tree as it grows, and as its directories move", function()
    local dir <const>, _ <close> = fs.temp_dir()
    fs.mkdir(dir .. "/old/deep", { parents = true })
    local watch <close> = fs.watch(dir, { recursive = true })
    fs.write(dir .. "/old/deep/f", "")
    assert.equal(dir .. "/old/deep/f", watch:next().path)
    fs.mkdir(dir .. "/new/sub/sub", { parents = true })
    fs.write(dir .. "/new/sub/sub/f", "")
    local seen = {}
    repeat
      local event = watch:next()
      if event.type == "create" then
        seen[#seen + 1] = event.path
      end
    until event.path == dir .. "/new/sub/sub/f"
    assert.same({ dir .. "/new", dir .. "/new/sub", dir .. "/new/sub/sub", dir .. "/new/sub/sub/f" }, seen)
    fs.rename(dir .. "/new", dir .. "/moved")
    local moved = next_but_changes(watch)
    assert.same({ "rename", dir .. "/moved" }, { moved.type, moved.path })
    fs.write(dir .. "/moved/sub/sub/g", "")
    assert.equal(dir .. "/moved/sub/sub/g", next_but_changes(watch).path)
  end)

  it("misses nothing in directories that fill while they are new", function()
    local dir <const>, _ <close> = fs.temp_dir()
    local watch <close> = fs.watch(dir, { recursive = true })
    local made, told = {}, {}
    rille.group(function(g)
      g:spawn(function()
        for i = 1, 20 do
          local sub = ("%s/%d/x/y"):format(dir, i)
          fs.mkdir(sub, { parents = true })
          fs.write(sub .. "/file", "")
          made[#made + 1] = sub .. "/file"
        end
        fs.write(dir .. "/last", "")
      end)
      for event in watch do
        if event.type == "create" then
          assert.is_nil(told[event.path], event.path)
          told[event.path] = true
        end
        if event.path == dir .. "/last" then
          break
        end
      end
    end)
    for _, file in ipairs(made) do
      assert.is_true(told[file], file)
    end
  end)

  it("loses no event to a cancel that comes while it looks into a directory", function()
    local dir <const>, _ <close> = fs.temp_dir()
    local watch <close> = fs.watch(dir, { recursive = true })
    fs.mkdir(dir .. "/a/b", { parents = true })
    local first
    rille.group(function(g)
      watch.fs = { list = function(path)
        g:cancel()
        return fs.list(path)
      end }
      first = watch:next()
    end)
    watch.fs = fs
    local made = { [first.path] = true, [watch:next().path] = true }
    assert.same({ [dir .. "/a"] = true, [dir .. "/a/b"] = true }, made)
    fs.write(dir .. "/a/b/c", "")
    assert.equal(dir .. "/a/b/c", watch:next().path)
  end)

  it("watches a single file, and ends when it is removed", function()
    local dir <const>, _ <close> = fs.temp_dir()
    local file, types = dir .. "/f", {}
    fs.write(file, "")
    rille.group(function(g)
      local watch = fs.watch(file)
      g:spawn(function()
        fs.write(file, "x", { append = true })
        fs.remove(file)
      end)
      for event in watch do
        assert.equal(file, event.path)
        types[#types + 1] = event.type
      end
      watch:close()
    end)
    assert.equal("change", types[1])
    assert.equal("remove", types[#types])
  end)

  it("ends with its scope, or when another task closes it", function()
    local dir <const>, _ <close> = fs.temp_dir()
    local finished = rille.move_on_after(0.02, function()
      for _ in fs.watch(dir) do
        error "nothing was changed"
      end
    end)
    assert.is_false(finished)
    local watch = fs.watch(dir)
    local waiting = rille.async(watch.next)(watch)
    rille.yield()
    watch:close()
    assert.is_nil(waiting:await())
  end)

  it("says what it cannot watch", function()
    local ok, err = pcall(fs.watch, "/no/such")
    assert.is_false(ok)
    assert.equal("ENOENT", err.code)
    assert.equal("/no/such", err.path)
    ok, err = pcall(fs.watch, "/", { recursiv = true })
    assert.is_false(ok)
    assert.matches("unknown option 'recursiv'", tostring(err))
  end)
end)
