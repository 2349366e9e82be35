-- rille check, rille types.
local rille = require "rille"
local fs = require "rille.fs"
local program = arg[-1]

local function sh(command)
  local pipe = assert(io.popen(("R=%s; { %s ; } 2>&1"):format(program, command)))
  local output = pipe:read "a"
  return output, select(3, pipe:close())
end

describe("rille check", function()
  local function check(text)
    local dir = os.tmpname()
    os.remove(dir)
    fs.mkdir(dir)
    local _ <close> = setmetatable({}, { __close = function() fs.remove(dir, { recursive = true }) end })
    fs.write(dir .. "/a.lua", text)
    fs.write(dir .. "/b.lua", "return 1")
    return sh("$R check " .. dir)
  end

  it("tells what does not compile, with status 1", function()
    local output, status = check "local x = = 1"
    assert.equal(1, status)
    assert.matches("a.lua:1: unexpected symbol near '='", output)
    output, status = check(string.dump(function() end))
    assert.equal(1, status)
    assert.matches("a.lua: attempt to load a binary chunk", output, 1, true)
  end)

  it("warns of names and modules that rille does not have", function()
    local output, status = check [[
local rille = require "rille"
local fs = require "rille.fs"
rille.sleeep(1)
fs.raed "x"
rille.net.lisen()
local y = require "rille.nothing"
rille.mine = 1
]]
    assert.equal(0, status)
    assert.matches("a.lua:3: there is no rille.sleeep", output)
    assert.matches("a.lua:4: there is no fs.raed", output)
    assert.matches("a.lua:5: there is no rille.net.lisen", output)
    assert.matches("a.lua:6: there is no module 'rille.nothing'", output)
    assert.equal(4, select(2, output:gsub("warning", "")))
  end)

  it("finds nothing in the examples", function()
    local output, status = sh "$R check examples"
    assert.equal(0, status, output)
    assert.equal("", output)
  end)

  it("wants a file", function()
    assert.equal(2, select(2, sh "$R check"))
  end)
end)

describe("rille types", function()
  it("writes definitions of everything that modules export", function()
    local dir = os.tmpname()
    os.remove(dir)
    local _ <close> = setmetatable({}, { __close = function() fs.remove(dir, { recursive = true }) end })
    assert.equal(0, select(2, sh("$R types " .. dir)))
    local missing = {}
    local function compare(module, text)
      local ok, exports = pcall(require, module)
      if not ok or type(exports) ~= "table" then return end
      assert(load(text, "=" .. module))
      for name, value in next, exports do
        if type(name) == "string" and type(value) == "function" and not name:find "^_" then
          if not text:find("[%w_]+[.:]" .. name .. "%f[^%w_]") then
            missing[#missing + 1] = module .. "." .. name
          end
        end
      end
    end
    compare("rille", fs.read(dir .. "/rille.lua"))
    for file in fs.list(dir .. "/rille") do
      compare("rille." .. file:gsub("%.lua$", ""), fs.read(dir .. "/rille/" .. file))
    end
    table.sort(missing)
    assert.same({}, missing)
    assert.matches("@async\n[^\n]*\nfunction rille.sleep%(", fs.read(dir .. "/rille.lua"))
    assert.matches("function fs.read%(", fs.read(dir .. "/rille/fs.lua"))
  end)

  it("writes definitions of every method of the core's objects", function()
    local dir = os.tmpname()
    os.remove(dir)
    local _ <close> = setmetatable({}, { __close = function() fs.remove(dir, { recursive = true }) end })
    assert.equal(0, select(2, sh("$R types " .. dir)))
    local text, missing = fs.read(dir .. "/rille.lua"), {}
    local d <close> = rille.deadline(1)
    rille.group(function(g)
      for _, object in ipairs { g, d, rille.lock(), rille.semaphore(1), rille.event(), rille.condition(), rille.barrier(1),
        rille.channel(), rille.future(), rille.rwlock(), rille.var() } do
        local class = getmetatable(object)
        for name in pairs(class.__index) do
          local definition = "function " .. class.__name:gsub("^rille%.", "") .. ":" .. name .. "("
          if not name:find "^__" and not text:find(definition, 1, true) then
            missing[#missing + 1] = definition
          end
        end
      end
    end)
    assert.same({}, missing)
  end)
end)
