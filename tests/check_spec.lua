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
  -- The definitions: by module, without "rille.".
  local function types()
    local dir, guard <close> = fs.temp_dir()
    assert.equal(0, select(2, sh("$R types " .. dir)))
    local texts = { rille = fs.read(dir .. "/rille.lua") }
    for file in fs.list(dir .. "/rille") do
      texts[file:gsub("%.lua$", "")] = fs.read(dir .. "/rille/" .. file)
    end
    for name, text in pairs(texts) do assert(load(text, "=" .. name)) end
    return texts
  end

  it("writes definitions of everything that modules export", function()
    local missing, texts = {}, types()
    for name, text in pairs(texts) do
      local module = name == "rille" and name or "rille." .. name
      local ok, exports = pcall(require, module)
      for field, value in next, ok and type(exports) == "table" and exports or {} do
        if type(field) == "string" and type(value) == "function" and not field:find "^_" then
          if not text:find("[%w_]+[.:]" .. field .. "%f[^%w_]") then
            missing[#missing + 1] = module .. "." .. field
          end
        end
      end
    end
    table.sort(missing)
    assert.same({}, missing)
    assert.matches("@async\n[^\n]*\nfunction rille.sleep%(", texts.rille)
    assert.matches("function fs.read%(", texts.fs)
  end)

  it("knows what rille.http takes over from its parts, and no more of them", function()
    local text = types().http
    for name in ("serve json redirect error html sse file static router cookie sign unsign cors compress log metrics "
      .. "websocket ws_connect get post put patch delete head options fetch session"):gmatch "%S+" do
      assert.matches("%f[%w]http%." .. name .. "%f[^%w_]", text)
    end
    assert.is_nil(text:find("function client.", 1, true))
    assert.is_nil(text:find("accept(", 1, true))
  end)

  it("knows every module as a field of rille", function()
    local texts = types()
    for name in pairs(texts) do
      if name ~= "rille" and name ~= "inspect" then
        assert.matches(('\nrille.%s = require "rille.%s"\n'):format(name, name), texts.rille, 1, true)
      end
    end
  end)

  it("gives the methods to their classes", function()
    for name, text in pairs(types()) do
      for head in text:gmatch "\nfunction (%u%w*):" do
        assert.matches("\n%-%-%-@%w+ [^\n]*\nlocal " .. head .. " = {}\n", text, 1, false, name .. ": " .. head)
      end
    end
  end)

  it("tells values from functions", function()
    local texts = types()
    assert.matches("---@type lightuserdata\njson.null = nil\n", texts.json, 1, true)
    assert.matches("---@type string\nsystem.machine = nil\n", texts.os, 1, true)
    assert.matches("\nfunction test.seed(seed) end\n", texts.test, 1, true)
  end)

  it("writes definitions of every method of the core's objects", function()
    local text, missing = types().rille, {}
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
