-- rille build: one executable, without the source tree.
local fs = require "rille.fs"
local program = arg[-1]

local function sh(command)
  local pipe = assert(io.popen(("R=%s; { %s ; } 2>&1"):format(fs.realpath(program), command)))
  local output = pipe:read "a"
  return output, select(3, pipe:close())
end

local function with_files(files, f)
  local dir = os.tmpname()
  os.remove(dir)
  fs.mkdir(dir)
  local _ <close> = setmetatable({}, { __close = function() fs.remove(dir, { recursive = true }) end })
  for name, text in pairs(files) do
    fs.mkdir(dir .. "/" .. (name:match "^(.*)/" or "."), { parents = true })
    fs.write(dir .. "/" .. name, text)
  end
  return f(dir)
end

describe("rille build", function()
  it("builds permissions in, which no argument widens", function()
    with_files({ ["main.lua"] = "for _, name in ipairs { '/etc/passwd', 'main.lua' } do print(pcall(io.open, name)) end" }, function(dir)
      local output, status = sh(("cd %s && $R build main.lua --allow-read=. --deny-net -o app && ./app --allow-read"):format(dir))
      assert.matches("^false\tDENIED: open '/etc/passwd'[^\n]*\ntrue\tfile", output)
      assert.equal(0, status)
      output, status = sh(("cd %s && $R build main.lua --allow-net=1.2.3 -o app && ./app"):format(dir))
      assert.matches("^rille: permission: '1.2.3'", output)
      assert.equal(2, status)
    end)
  end)

  it("makes an executable of the program, its modules, C modules and assets", function()
    with_files({
      ["main.lua"] = [[#!/usr/bin/env rille
        local rille = require "rille"
        rille.sleep(0.001)
        print(require("deep.er").twice(21), ...)
        print(rille.hash.crc32 "a", require("rille.assets").read "note.txt")
        error "at the end"]],
      ["deep/er.lua"] = "return { twice = function(x) return 2 * x end }",
      ["note.txt"] = "a note",
    }, function(dir)
      local output, status = sh(("cd %s && $R build main.lua -o app --asset note.txt && rm -r deep main.lua note.txt && ./app -e x"):format(dir))
      assert.matches("^42\t%-e\tx\ne8b7be43\ta note\n", output)
      assert.matches("main.lua:6: at the end", output)
      assert.equal(1, status)
    end)
  end)

  -- Builds main.lua with what it needs, and runs it where nothing else of rille is.
  local function built(main)
    return with_files({ ["main.lua"] = main, ["util.lua"] = "return { twice = function(x) return 2 * x end }" }, function(dir)
      return sh(("cd %s && $R build main.lua -o app && rm *.lua && timeout -s KILL 20 ./app"):format(dir))
    end)
  end

  it("gives modules and C modules to workers, and loads each of these once", function()
    local output, status = built [[
      local rille, util = require "rille", require "util"
      local function descriptors()
        local n = 0
        for _ in rille.fs.list "/proc/self/fd" do n = n + 1 end
        return n
      end
      local function work()
        return rille.worker.spawn(function(n)
          return util.twice(n), require("util").twice(n + 1), require("rille.hash").crc32 "a"
        end, 20):join()
      end
      print(work())
      local before = descriptors()
      for _ = 1, 3 do work() end
      print(descriptors() - before)]]
    assert.equal("40\t42\te8b7be43\n0\n", output)
    assert.equal(0, status)
  end)

  it("gives them to workers that are processes, which do not run the program again", function()
    local output, status = built [[
      print "once"
      io.stdout:flush()
      local util = require "util"
      local w = require("rille.worker").spawn { function(n)
        return util.twice(n), require("rille.hash").crc32 "a", #("x"):rep(1 << 20)
      end, 21, process = true, memory = 16 << 20 }
      print(w:join())
      w = require("rille.worker").spawn { function() return ("x"):rep(1 << 25) end, process = true, memory = 16 << 20 }
      print(pcall(w.join, w))]]
    assert.matches("^once\n42\te8b7be43\t1048576\nfalse\t[^\n]*not enough memory[^\n]*\n$", output)
    assert.equal(0, status)
  end)

  it("finds a module by whatever name the core has, and what it loads by parts", function()
    local output, status = built [[
      local http = require("rille").http
      local server <close> = http.serve { port = 0, handler = function() return "hello" end }
      print(http.get(server.url).body)]]
    assert.equal("hello\n", output)
    assert.equal(0, status)
  end)

  it("builds the examples", function()
    with_files({}, function(dir)
      local output, status = sh(("$R build examples/chat.lua -o %s/chat && cd %s && timeout 20 ./chat </dev/null"):format(dir, dir))
      assert.equal(0, status, output)
    end)
  end)

  it("refuses what it cannot know, and tells what is missing", function()
    with_files({
      ["a.lua"] = "local name = 'x' .. 1 require(name)",
      ["b.lua"] = "require 'not.there'",
      ["c.lua"] = "local x = = 1",
      ["d.lua"] = "local name = 'e' require(name)",
      ["e.lua"] = "print 'e'",
      ["f.lua"] = "require('x' .. 1)",
    }, function(dir)
      local function build(words)
        local output, status = sh(("cd %s && $R build %s -o app"):format(dir, words))
        return (output:gsub("\n$", "")), status
      end
      local output, status = build "a.lua"
      assert.equal("rille build: a.lua requires a module whose name is not written there: name what it may be with --include MODULE", output)
      assert.equal(1, status)
      assert.matches("f.lua requires a module whose name is not written there", (build "f.lua"), 1, true)
      assert.equal("rille build: b.lua:1 requires 'not.there', which is not found", (build "b.lua"))
      assert.matches("c.lua:1: unexpected symbol", (build "c.lua"))
      assert.equal("", (build "d.lua --include e"))
      assert.equal("e\n", (sh(dir .. "/app")))
    end)
  end)
end)
