-- A short run of what tests/slow has long ones of.
local function run(script, rounds)
  local process = io.popen(("%s tests/slow/%s.lua %d 2>&1"):format(arg[-1], script, rounds))
  local output = process:read "a"
  return process:close() and output or "failed: " .. output
end

describe("the core", function()
  it("loses nothing and leaves nothing behind under random programs", function()
    assert.equal("300 rounds passed\n", run("core_stress", 300))
  end)
end)
