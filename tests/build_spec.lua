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
