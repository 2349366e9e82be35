-- rille.inspect: values as text.
local inspect = require "rille.inspect"

describe("inspect", function()
  it("shows plain values as Lua writes them", function()
    assert.equal('"a\\n\\"b\\""', inspect 'a\n"b"')
    assert.equal("1", inspect(1))
    assert.equal("1.0", inspect(1.0))
    assert.equal("nil", inspect(nil))
    assert.equal('"\\xFF"', inspect "\xff")
  end)

  it("sorts keys and keeps what fits on one line", function()
    assert.equal('{ 1, 2, ["a b"] = 4, b = { c = 3 } }', inspect { 1, 2, b = { c = 3 }, ["a b"] = 4 })
  end)

  it("breaks what does not fit", function()
    assert.equal('{\n  "aaaaaaaaaa",\n  "bbbbbbbbbb",\n}', inspect({ ("a"):rep(10), ("b"):rep(10) }, { width = 20 }))
  end)

  it("marks cycles", function()
    local t = { x = {} }
    t.x.up, t.me = t, t
    assert.equal("{ me = <itself>, x = { up = <cycle: 2 up> } }", inspect(t))
  end)

  it("cuts what is long and says how much is missing", function()
    assert.equal('"xxxxx"… 5 bytes more', inspect(("x"):rep(10), { text = 5 }))
    assert.equal("{ 1, 2, … 1 more }", inspect({ 1, 2, 3 }, { items = 2 }))
    assert.equal("{ {…} }", inspect({ { 1 } }, { depth = 1 }))
  end)

  it("asks objects for their own text, and survives those that fail", function()
    assert.equal("me", inspect(setmetatable({}, { __tostring = function() return "me" end })))
    local broken = setmetatable({}, { __tostring = function() error "no" end })
    assert.equal("(its __tostring failed)", inspect(broken))
    assert.equal("{ 1 }", inspect(setmetatable({ 1 }, { __tostring = error }), { raw = true }))
  end)

  it("refuses an option it does not know", function()
    assert.has_error(function() inspect({}, { deep = 1 }) end, "inspect: unknown option 'deep'")
  end)
end)
