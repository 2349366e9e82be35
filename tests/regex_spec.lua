-- rille.regex: the methods, limits, UTF-8, large subjects.
local rille = require "rille"
local regex = require "rille.regex"

local function refused(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  return err.code, err.message
end

describe("regex.compile", function()
  it("tells what is wrong and where", function()
    local code, message = refused(regex.compile, "a(b")
    assert.equal("INVALID", code)
    assert.matches("byte 4", message)
    assert.equal("INVALID", (refused(regex.compile, "[a-")))
    assert.equal("INVALID", (refused(regex.compile, "x{1000}{1000}x{9999999}")))
    assert.equal("INVALID", (refused(regex.compile, ("("):rep(1 << 20))))
    assert.equal("INVALID", (refused(regex.compile, "a", "q")))
    assert.equal("INVALID", (refused(regex.compile, "\\C")))
  end)

  it("takes flags", function()
    assert.equal("AB", regex.compile("ab", "i"):match("xAB"))
    assert.equal("b", regex.compile("^b$", "m"):match("a\nb\nc"))
    assert.is_nil(regex.compile("a.b"):match("a\nb"))
    assert.equal("a\nb", regex.compile("a.b", "s"):match("a\nb"))
    assert.equal("ab", regex.compile("a b # two", "x"):match("ab"))
    assert.is_nil(regex.compile("b", "a"):match("ab"))
    assert.equal("INVALID: no flag is called 'q'", tostring(select(2, pcall(regex.compile, "a", "iq"))))
  end)
end)

describe("a regex", function()
  local pair = regex.compile("(\\w+)=(\\d+)?")

  it("finds and matches as strings do", function()
    assert.same({ 3, 8, "foo", "12" }, { pair:find("  foo=12 bar=") })
    assert.same({ "foo", "12" }, { pair:match("  foo=12") })
    assert.same({ "bar", false }, { pair:match("  foo=12 bar=", 9) })
    assert.is_nil(pair:find("none"))
    assert.equal("foo", regex.compile("fo+"):match("a foo"))
    assert.equal(4, (regex.compile("a"):find("abca", -1)))
    assert.is_nil(regex.compile("a"):find("a", 5))
    assert.same({ 2, 1 }, { regex.compile(""):find("a", 2) })
  end)

  it("gives groups by number and by name", function()
    local g = regex.compile("(?<year>\\d{4})-(?<month>\\d\\d)(-\\d\\d)?"):groups("on 2026-11")
    assert.same({ [0] = "2026-11", "2026", "11", false, year = "2026", month = "11" }, g)
    assert.is_nil(regex.compile("x"):groups("y"))
  end)

  it("iterates over all matches", function()
    local seen = {}
    for name, value in pair:gmatch("a=1 b= c=3") do seen[#seen + 1] = name .. ":" .. tostring(value) end
    assert.same({ "a:1", "b:false", "c:3" }, seen)
    local n = 0
    for _ in regex.compile("x*"):gmatch("axbxx") do n = n + 1 end
    assert.equal(select(2, ("axbxx"):gsub("x*", "")), n)
  end)

  it("substitutes as string.gsub does", function()
    assert.same({ "12=foo =bar", 2 }, { pair:gsub("foo=12 bar=", "%2=%1") })
    assert.same({ "<a>b<c>", 2 }, { regex.compile("[ac]"):gsub("abc", "<%0>") })
    assert.same({ "-bc", 1 }, { regex.compile("."):gsub("abc", "-", 1) })
    assert.same({ "1b3", 3 }, { regex.compile("."):gsub("abc", { a = "1", c = 3 }) })
    assert.same({ "100%", 1 }, { regex.compile("all"):gsub("all", "100%%") })
    for _, s in ipairs { "", "abc", "bbb", "abbc" } do
      assert.same({ s:gsub("b*", "x") }, { regex.compile("b*"):gsub(s, "x") })
    end
    assert.is_false(pcall(pair.gsub, pair, "a=1", "%9"))
    assert.is_false(pcall(pair.gsub, pair, "a=1", "%z"))
    assert.is_false(pcall(pair.gsub, pair, "a=1", true))
  end)

  it("calls replacements that wait", function()
    local out = regex.compile("\\d+"):gsub("1 22 3", function(n)
      rille.sleep(0)
      return n + 1
    end)
    assert.equal("2 23 4", out)
  end)

  it("splits", function()
    assert.same({ "a", "b", "", "c" }, regex.compile("\\s*,\\s*"):split("a , b,, c"))
    assert.same({ "a", "b,c" }, regex.compile(","):split("a,b,c", 2))
    assert.same({ "" }, regex.compile(","):split(""))
    assert.same({ "a", "b", "c" }, regex.compile(""):split("abc"))
    assert.same({ "1", "5" }, regex.compile("\\."):split(1.5))
    assert.is_false(pcall(function() regex.compile(","):split({}) end))
    assert.is_false(pcall(function() regex.compile(","):split("a,b", "x") end))
  end)

  it("escapes plain text", function()
    for _, s in ipairs { "a.b*c(é)", "[x]^$", "\0\1 #\n", "\\E" } do
      assert.equal(s, regex.compile("^" .. regex.escape(s) .. "$", "s"):match(s))
      assert.equal(s, regex.compile(regex.escape(s), "x"):match("--" .. s))
    end
  end)
end)

describe("limits", function()
  for _, pattern in ipairs { "(a+)+$", "(a|aa)+$", "^(\\w+\\s?)*$", "(x+x+)+[yz]" } do
    it("end " .. pattern, function()
      local subject = (pattern:find("x") and "x" or "a"):rep(5000) .. "!"
      assert.equal("LIMIT", (refused(function() return regex.compile(pattern):find(subject) end)))
      assert.equal("LIMIT", (refused(function()
        for _ in regex.compile(pattern):gmatch(subject) do end
      end)))
    end)
  end

  it("end what is slow from every starting place", function()
    assert.equal("LIMIT", (refused(function() return regex.compile("(.+)\\1+$"):find(("ab"):rep(20000) .. "c") end)))
  end)

  it("end a match that is cancelled", function()
    local start = rille.now()
    rille.move_on_after(0.05, function() regex.compile("(.+)\\1+$"):find(("ab"):rep(200000) .. "c") end)
    assert.is_true(rille.now() - start < 2)
  end)

  it("let \\G be where the search began", function()
    local re = regex.compile("x|\\Gaa")
    assert.is_nil(re:find(("a"):rep(1) .. ("b"):rep(5000) .. "aa"))
    assert.same({ 5001, 5002 }, { re:find(("b"):rep(5000) .. "aa", 5001) })
  end)

  it("let deep but sound matches be", function()
    assert.equal(100000, #regex.compile("(?:ab|a|b)*"):match(("ab"):rep(50000)))
  end)

  it("keep the loop free", function()
    local late, last = 0, rille.now()
    rille.group(function(g)
      local slow = g:async(function()
        return pcall(function() return regex.compile("(a|aa)+$"):find(("a"):rep(50000) .. "!") end)
      end)
      while slow:status() ~= "done" do
        rille.sleep(0.001)
        local now = rille.now()
        late, last = math.max(late, now - last), now
      end
    end)
    assert.is_true(late < 0.5)
  end)
end)

describe("UTF-8", function()
  local re = regex.compile("é.", "u")

  it("counts characters where asked to", function()
    assert.same({ 2, 5 }, { re:find("xéàz") })
    assert.equal("É", regex.compile("é", "ui"):match("É"))
    assert.equal(1, #regex.compile("."):match("é"))
  end)

  it("must be sound", function()
    assert.equal("INVALID", (refused(re.find, re, "\xff")))
    assert.equal("INVALID", (refused(regex.compile("(*UTF)a").find, regex.compile("(*UTF)a"), "a\xff")))
    assert.is_false(pcall(re.find, re, "é", 2))
  end)
end)

describe("large subjects", function()
  local parts = {}
  for i = 1, 50000 do parts[i] = "key" .. i .. "=" .. i end
  local big = table.concat(parts, " ")

  it("are searched on the pool with the same result", function()
    assert.same({ big:find("key49999=(%d+)") }, { regex.compile("key49999=(\\d+)"):find(big) })
    assert.is_nil(regex.compile("nothing"):find(big:rep(4)))
    assert.equal("4", regex.compile("=(\\d)$"):match(big:rep(4) .. " x=4"))
  end)

  it("are iterated in order", function()
    local n = 0
    for key, value in regex.compile("key(\\d+)=(\\d+)"):gmatch(big) do
      n = n + 1
      if key ~= value or tonumber(key) ~= n then error("out of order at " .. n) end
    end
    assert.equal(50000, n)
    assert.equal(#big - 3 * 50000, #regex.compile("key"):gsub(big, ""))
  end)
end)
