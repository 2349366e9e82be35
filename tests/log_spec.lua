-- rille.log: lines with levels and fields.
local json = require "rille.json"
local program = arg[-1]

local function run(code, environment)
  local path = os.tmpname()
  local file = io.open(path, "w")
  file:write('local rille = require "rille"\nlocal log = rille.log\n', code)
  file:close()
  local pipe = io.popen(("%s %s %s 2>&1"):format(environment or "", program, path))
  local output = pipe:read "a"
  pipe:close()
  os.remove(path)
  return output
end

describe("log", function()
  it("writes JSON lines where there is no terminal", function()
    local output = run [[log.info("opened", { path = "/x", n = 3 })]]
    local line = json.decode(output)
    assert.equal("info", line.level)
    assert.equal("opened", line.message)
    assert.equal("/x", line.path)
    assert.equal(3, line.n)
    assert.matches("^%d+%-%d+%-%d+T%d+:%d+:%d+%.%d+Z$", line.time)
  end)

  it("writes what is left when os.exit ends the program", function()
    local output = run [[log.info "first" log.error "last" os.exit(1)]]
    assert.matches('"first".*\n.*"last"', output)
  end)

  it("writes every line of many when the program ends", function()
    local output = run [[for i = 1, 6000 do log.info("line", { i = i, pad = ("x"):rep(100) }) end]]
    assert.equal(6000, select(2, output:gsub("\n", "\n")))
    assert.matches('"i":6000,', output)
  end)

  it("goes on when its writer is cancelled before it has begun", function()
    local output = run [[
      log.info "first"
      for _, task in ipairs(rille.tasks()) do
        if task ~= rille.current() then task:cancel { grace = 0 } end
      end
      for _ = 1, 10 do rille.yield() end
      log.info "second"
    ]]
    assert.matches('^[^\n]*"first"[^\n]*\n[^\n]*"second"[^\n]*\n$', output)
  end)

  it("goes on after a stream that has failed once", function()
    local output = run [[
      local fails, got = true, {}
      local clock <close> = rille.test.clock()
      log.configure { format = "pretty", stream = { write = function(_, text)
        if fails then error("disk full", 0) end
        got[#got + 1] = text
      end } }
      log.info "first"
      rille.sleep(0.001)
      fails = false
      log.info "second"
      rille.sleep(0.001)
      print("got: " .. table.concat(got))
    ]]
    assert.matches("rille: disk full", output, 1, true)
    assert.matches("got: .*second", output)
  end)

  it("says what is not UTF-8 or no JSON", function()
    local output = run [[
      local cycle = { 1 }
      cycle[2] = cycle
      log.info("a\xffb", { bytes = "\xff\xfe", ["k\x80"] = 1, cycle = cycle, nan = 0 / 0, nested = { "\xc3" } })
    ]]
    local line = json.decode(output)
    assert.equal("a\u{FFFD}b", line.message)
    assert.equal("\u{FFFD}\u{FFFD}", line.bytes)
    assert.equal(1, line["k\u{FFFD}"])
    assert.matches("itself", line.cycle)
    assert.matches("nan", line.nan)
    assert.matches("xC3", line.nested)
  end)

  it("keeps quiet below its level", function()
    assert.equal("", (run [[log.debug "no"]]))
    assert.matches("yes", (run [[log.level "debug" log.debug "yes"]]))
    assert.matches("yes", (run([[log.debug "yes"]], "RILLE_LOG=debug")))
    assert.equal("", (run [[log.level "off" log.error "no"]]))
    assert.matches("^rille: RILLE_LOG: debug, info, warn, error or off expected, got 'loud': info it is\n.*yes",
      (run([[log.info "yes"]], "RILLE_LOG=loud")))
  end)

  it("says what it expected instead, and whose line that is", function()
    local log = require "rille.log"
    local function complaint(...) return (select(2, pcall(...))) end
    assert.matches("^[^:]+log_spec.lua:%d+: log.info: a table of fields expected, got number$",
      complaint(function() log.info("x", 3) end))
    assert.matches("^[^:]+log_spec.lua:%d+: log.with: a table of fields expected, got nil$", complaint(function() log.with() end))
    assert.matches("log.level: 'debug', 'info', 'warn', 'error' or 'off' expected, got 'loud'", complaint(log.level, "loud"))
    assert.matches("log.configure: unknown option 'fmt'", complaint(log.configure, { fmt = 1 }))
    assert.matches("option 'format': 'pretty' or 'json' expected, got 'xml'", complaint(log.configure, { format = "xml" }))
  end)

  it("writes for people when asked to", function()
    local output = run [[log.configure { format = "pretty", color = false } log.warn("slow", { ms = 12, what = "a b" })]]
    assert.matches('^%d%d:%d%d:%d%d%.%d%d%d WARN  slow ms=12 what="a b"\n$', output)
  end)

  it("carries fields along, and writes everything before the program ends, in order", function()
    local output = run [[local l = log.with { id = 7 }:with { part = "x" } for i = 1, 500 do l:info(i) end]]
    local n = 0
    for line in output:gmatch "[^\n]+" do
      n = n + 1
      local got = json.decode(line)
      assert.equal(tostring(n), got.message)
      assert.equal(7, got.id)
      assert.equal("x", got.part)
    end
    assert.equal(500, n)
  end)
end)
