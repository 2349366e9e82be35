-- rille.path: paths as text.
local path = require "rille.path"

describe("rille.path", function()
  it("joins parts, leaving out empty ones, and starts anew at an absolute one", function()
    assert.equal("a/b/c", path.join("a", "b", "c"))
    assert.equal("a/b", path.join("a/", "", "b"))
    assert.equal("/b", path.join("a", "/b"))
    assert.equal("/a", path.join("/", "a"))
    assert.equal("", path.join())
    assert.equal("", path.join("", ""))
  end)

  it("names the argument of join that is no string", function()
    local ok, err = pcall(path.join, "a", {})
    assert.is_false(ok)
    assert.matches("argument 2: string expected, got table", err)
  end)

  it("names the function that was given no string", function()
    for name, f in pairs(path) do
      local ok, err = pcall(function() return (f({}, "x")) end)
      assert.is_false(ok)
      assert.matches("path_spec.lua.*path%." .. name .. ": .*string expected, got table", err)
    end
  end)

  it("splits into directory and name", function()
    local cases = {
      { "a/b/c.txt", "a/b", "c.txt" },
      { "c.txt", ".", "c.txt" },
      { "/a", "/", "a" },
      { "/", "/", "/" },
      { "a/b/", "a", "b" },
      { "a//b", "a", "b" },
      { "", ".", "" },
      { "//a//b//", "//a", "b" },
    }
    for _, case in ipairs(cases) do
      assert.same({ case[2], case[3] }, { path.split(case[1]) }, case[1])
    end
  end)

  it("finds extension and stem", function()
    assert.same({ ".gz", "a.tar" }, { path.extension "x/a.tar.gz", path.stem "x/a.tar.gz" })
    assert.same({ "", "README" }, { path.extension "README", path.stem "README" })
    assert.same({ "", ".profile" }, { path.extension ".profile", path.stem ".profile" })
    assert.equal("", path.extension "a.b/c")
    for name, extension in pairs { [".."] = "", ["a/.."] = "", ["..."] = "", ["..a"] = "", [".a.b"] = ".b", ["a."] = "." } do
      assert.equal(extension, path.extension(name))
    end
    assert.equal("a.b/c.lua", path.with_extension("a.b/c.txt", ".lua"))
    assert.equal("main", path.basename("src/main.lua", ".lua"))
    assert.equal(".lua", path.basename("src/.lua", ".lua"))
  end)

  it("normalizes by text", function()
    local cases = {
      ["a//b/./c"] = "a/b/c",
      ["a/../b"] = "b",
      ["../a/.."] = "..",
      ["/../a"] = "/a",
      ["a/.."] = ".",
      [""] = ".",
      ["/"] = "/",
      ["./a/"] = "a",
      ["../../a"] = "../../a",
    }
    for given, wanted in pairs(cases) do
      assert.equal(wanted, path.normalize(given), given)
    end
  end)

  it("makes paths absolute and relative", function()
    assert.equal("/a/b", path.absolute("b", "/a"))
    assert.equal("/b", path.absolute("/a/../b"))
    assert.equal(require("rille.os").cwd() .. "/x", path.absolute "x")
    assert.equal("../c", path.relative("/a/c", "/a/b"))
    assert.equal("b/c", path.relative("/a/b/c", "/a"))
    assert.equal(".", path.relative("/a", "/a"))
    assert.equal("../..", path.relative("/", "/a/b"))
  end)

  it("tells what lies inside a directory", function()
    assert.is_true(path.is_inside("/srv/www/a", "/srv/www"))
    assert.is_true(path.is_inside("/srv/www", "/srv/www/"))
    assert.is_false(path.is_inside("/srv/www2", "/srv/www"))
    assert.is_false(path.is_inside("/srv/www/../x", "/srv/www"))
  end)

  it("keeps bytes that are not UTF-8", function()
    assert.equal("a/\xff\xfe", path.join("a", "\xff\xfe"))
    assert.equal("\xff\xfe", path.basename "a/\xff\xfe")
  end)
end)
