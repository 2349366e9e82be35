-- The benchmarks' driver: it lists its works, measures one, and tells the figures as a table and as JSON.
local json = require "rille.json"
local program = arg[-1]

-- The driver with the program under test in the place of the built one.
local function bench(arguments)
  local build = program:match "^(.*)/[^/]+$" or "build"
  local pipe = assert(io.popen(("BUILD='%s' timeout 60 sh bench/run %s 2>&1"):format(build, arguments)))
  local output = pipe:read "a"
  local _, _, status = pipe:close()
  return status, output
end

describe("bench/run", function()
  it("lists works with their targets", function()
    local status, output = bench "--list core"
    assert.equal(0, status)
    assert.matches("core +switch +instructions <= 0.8 x lua", output)
  end)

  it("measures a work beside a peer, as a table and as JSON", function()
    local path = os.tmpname()
    local status, output = bench("switch --rounds 1 --peers lua --no-instructions --json " .. path)
    assert.equal(0, status, output)
    assert.matches("switch +ns +[%d.]+", output)
    local file <close> = assert(io.open(path))
    local switch = json.decode(file:read "a").works.switch
    assert.is_true(switch.peers.rille.median.ns > 0)
    os.remove(path)
  end)

  it("refuses what it does not know", function()
    local status, output = bench "--no-such-option"
    assert.equal(2, status)
    assert.matches("unknown option %-%-no%-such%-option", output)
    assert.equal(2, (bench "no-such-work"))
  end)
end)
