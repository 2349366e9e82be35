-- rille.args: declared arguments.
local args = require "rille.args"

local SPEC = {
  name = "copy", description = "Copies files.",
  { "from", help = "what to copy", required = true, many = true },
  { "to", help = "where to", required = true },
  { "--verbose", "-v", help = "tell more" },
  { "--dry-run", "-d", flag = true },
  { "--count", "-n", type = "integer", default = 1, help = "how often" },
  { "--mode", choices = { "fast", "safe" } },
}

describe("args", function()
  it("reads options, flags and positionals", function()
    local got = args.read(SPEC, { "-vd", "a", "-n3", "b", "--mode=safe", "c" })
    assert.same({ from = { "a", "b" }, to = "c", verbose = true, dry_run = true, count = 3, mode = "safe" }, got)
  end)

  it("fills in defaults, and stops at two dashes", function()
    local got = args.read(SPEC, { "--", "-a", "b" })
    assert.same({ from = { "-a" }, to = "b", verbose = false, dry_run = false, count = 1 }, got)
  end)

  it("refuses a declaration that means nothing", function()
    local function refused(entry) return select(2, pcall(args.read, { entry }, {})) end
    assert.matches("unknown key 'tpye' in entry 1", refused { "--n", tpye = "integer" })
    assert.matches("unknown type 'int' in entry 1: \"integer\", \"number\", \"string\" or a function", refused { "--n", type = "int" }, 1, true)
    assert.matches("entry 1 has no name", refused { help = "what for" })
    assert.same({ n = "7" }, args.read({ { "--n", type = "string" } }, { "--n", "7" }))
  end)

  it("tells each mistake in a sentence", function()
    local function complaint(...)
      return select(2, args.read(SPEC, { ... }))
    end
    assert.equal("unknown option '--what'", complaint("--what"))
    assert.equal("--count wants an integer, not 'x'", complaint("-n", "x"))
    assert.equal("--mode wants one of fast, safe, not 'slow'", complaint("--mode", "slow"))
    assert.equal("--count wants a value", complaint "--count")
    assert.equal("--verbose takes no value", complaint "--verbose=1")
    assert.equal("from is missing", complaint())
  end)

  it("makes the help text", function()
    local help = args.help(SPEC)
    assert.matches("^usage: copy %[options%] from... to\nCopies files.", help)
    assert.matches("\n  %-%-count, %-n COUNT +how often %(1%)", help)
    assert.matches("\n  %-%-mode fast|safe", help)
  end)

  it("ends the program on --help and on mistakes", function()
    local script = [[require("rille.args").parse { name = "p", { "--x", type = "integer" } }]]
    local function run(words)
      local path = os.tmpname()
      local file = io.open(path, "w")
      file:write(script)
      file:close()
      local pipe = io.popen(("%s %s %s 2>&1"):format(arg[-1], path, words))
      local output = pipe:read "a"
      local status = select(3, pipe:close())
      os.remove(path)
      return output, status
    end
    local output, status = run "--x y"
    assert.equal("p: --x wants an integer, not 'y'\nusage: p [options]\n", output)
    assert.equal(2, status)
    assert.equal(0, select(2, run "--help"))
  end)
end)
