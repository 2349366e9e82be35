-- rille.json: values, errors, styles, streams. The grammar itself is in tests/unit/json_test.c.
local json = require "rille.json"

local function refused(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  return err
end

local function again(text, options) return json.encode(json.decode(text, options)) end

describe("json.decode", function()
  it("keeps integers and floats apart", function()
    assert.same({ 1, -7, 0, math.maxinteger, math.mininteger },
      json.decode("[1, -7, 0, 9223372036854775807, -9223372036854775808]"))
    assert.equal("integer", math.type(json.decode("10")))
    assert.equal("float", math.type(json.decode("10.0")))
    assert.equal("float", math.type(json.decode("1e1")))
    assert.equal("float", math.type(json.decode("-0")))
    assert.equal(-math.huge, 1 / json.decode("-0"))
  end)

  it("rounds what is too large for an integer, and refuses what is too large for a float", function()
    assert.equal(18446744073709551616.0, json.decode("18446744073709551616"))
    assert.equal(0.0, json.decode("1e-400"))
    assert.equal(9007199254740993, json.decode("9007199254740993"))
    local err = refused(json.decode, "[1, 1e400]")
    assert.equal("INVALID", err.code)
    assert.equal(5, err.byte)
  end)

  it("keeps every digit on demand", function()
    for _, text in ipairs { "18446744073709551616", "1e400", "0.10000000000000000000001", "-1e-400" } do
      assert.equal(text, again(text, { lossless = true }))
      assert.equal(text, tostring(json.decode(text, { lossless = true })))
    end
    assert.equal(0.1, json.decode("0.1", { lossless = true }))
    assert.equal(1.5, json.decode("1.50", { lossless = true }))
  end)

  it("tells empty arrays from empty objects", function()
    assert.equal('[[],{}]', again "[[], {}]")
    assert.equal("[]", json.encode(json.array()))
    assert.equal("{}", json.encode(json.object {}))
  end)

  it("gives null a value of its own", function()
    local list = json.decode "[null, 1]"
    assert.equal(json.null, list[1])
    assert.equal(2, #list)
    assert.equal("[null,1]", json.encode(list))
  end)

  it("undoes escapes, surrogate pairs too", function()
    assert.equal('"\\/\b\f\n\r\tA\u{e9}\u{1F600}\0', json.decode [["\"\\\/\b\f\n\r\tA\u00e9\uD83D\ude00\u0000"]])
    local long = ("0123456789abcdef"):rep(20)
    assert.equal(long .. "\n" .. long, json.decode('"' .. long .. "\\n" .. long .. '"'))
  end)

  it("takes keys as data, and the last of equal ones", function()
    local t = json.decode [[{"__index": 1, "__gc": 2, "__proto__": 3, "a": 1, "a": 2, "": 0}]]
    assert.same({ __index = 1, __gc = 2, __proto__ = 3, a = 2, [""] = 0 }, t)
    assert.is_nil(getmetatable(t))
  end)

  it("finds the same keys again in long texts", function()
    local rows = {}
    for i = 1, 300 do rows[i] = ('{"id":%d,"name_%d":"n","key%d":[%d],"":{}}'):format(i, i % 90, i, i) end
    for i, row in ipairs(json.decode("[" .. table.concat(rows, ",") .. "]")) do
      assert.equal(i, row.id)
      assert.equal("n", row["name_" .. i % 90])
      assert.equal(i, row["key" .. i][1])
    end
  end)

  it("names the byte, the line and the column of a fault", function()
    local err = refused(json.decode, '{\n  "a": [1, 2,]\n}')
    assert.equal("INVALID", err.code)
    assert.equal(16, err.byte)
    assert.equal("json: expected a value at byte 16 (line 2, column 14)", err.message)
    assert.equal("json: invalid UTF-8 at byte 3 (line 1, column 3)", refused(json.decode, '"a\xff"').message)
    assert.matches("ends too early at byte 2", refused(json.decode, "[").message)
  end)

  it("limits nesting", function()
    assert.equal("LIMIT", refused(json.decode, ("["):rep(100000)).code)
    assert.equal("LIMIT", refused(json.decode, ("["):rep(513) .. ("]"):rep(513)).code)
    local deep = ("["):rep(20000) .. ("]"):rep(20000)
    assert.equal(deep, json.encode(json.decode(deep, { depth = 20000 }), { depth = 20000 }))
  end)

  it("refuses options it does not know", function()
    assert.matches("dpeth", tostring(refused(json.decode, "1", { dpeth = 3 })))
  end)
end)

describe("json.encode", function()
  it("writes every float so that it reads back, and as short as that allows", function()
    for text, value in pairs { ["0.1"] = 0.1, ["100.0"] = 100.0, ["1e23"] = 1e23, ["5e-324"] = 5e-324,
      ["1.7976931348623157e308"] = 1.7976931348623157e308, ["0.30000000000000004"] = 0.1 + 0.2, ["-0.0"] = -0.0 } do
      assert.equal(text, json.encode(value))
    end
    for _ = 1, 2000 do
      local value = string.unpack("d", string.pack("i8", math.random(0)))
      if value == value and value ~= math.huge and value ~= -math.huge then
        assert.equal(value, json.decode(json.encode(value)))
      end
    end
  end)

  it("escapes what has to be escaped and nothing else", function()
    assert.equal([["\"\\/\b\f\n\r\t\u0000\u001f]] .. "\x7f\u{e9}\u{2028}\"",
      json.encode('"\\/\b\f\n\r\t\0\x1f\x7f\u{e9}\u{2028}'))
    local long = ("\u{1F600} plain text, "):rep(2000) .. "\n"
    assert.equal(long, json.decode(json.encode(long)))
  end)

  it("indents and sorts", function()
    local value = { b = { 1, { x = 1 } }, a = {}, [""] = true, ab = json.array {} }
    assert.equal('{"":true,"a":{},"ab":[],"b":[1,{"x":1}]}', json.encode(value, { sort_keys = true }))
    assert.equal('{\n  "": true,\n  "a": {},\n  "ab": [],\n  "b": [\n    1,\n    {\n      "x": 1\n    }\n  ]\n}',
      json.encode(value, { sort_keys = true, indent = 2 }))
    assert.equal("[\n\t1\n]", json.encode({ 1 }, { indent = "\t" }))
  end)

  it("writes arrays however they were filled", function()
    local t = {}
    for i = 10, 1, -1 do t[i] = i end
    assert.equal("[1,2,3,4,5,6,7,8,9,10]", json.encode(t))
  end)

  it("tells what cannot be JSON, and where", function()
    local cycle = { list = { 1 } }
    cycle.list[2] = cycle
    local cases = {
      ["value.a[2]: a function"] = { a = { 1, print } },
      ['value["a b"]: nan'] = { ["a b"] = 0 / 0 },
      ["value%[1%]: an infinity"] = { math.huge },
      ["value.s: invalid UTF%-8 at byte 3"] = { s = "ab\xff" },
      ["keys are strings"] = { a = { [true] = 1 } },
      ["value: an array with holes: 3 values up to index 4"] = { 1, 2, nil, 4 },
      ["value: a table with keys of an array and others"] = { 1, x = 1 },
      ["value.list%[2%]: a cycle: it is the same table as value"] = cycle,
      ["value: a thread"] = coroutine.create(print),
      ["a json.number that holds no number"] = { json.number "12abc" },
    }
    for message, value in pairs(cases) do
      local err = refused(json.encode, value)
      assert.equal("INVALID", err.code)
      assert.truthy(err.message:find(message:find("%%") and message or message:gsub("[%[%]%.]", "%%%0")), err.message)
      assert.equal("string", type(err.path))
    end
  end)

  it("looks at no metatable but its own marks", function()
    local t = setmetatable({ 1 }, { __pairs = error, __index = error, __len = error })
    assert.equal("[1]", json.encode(t))
  end)

  it("counts empty tables as the decoder counts empty arrays and objects", function()
    for _, value in ipairs { { {} }, { json.array {} }, { json.object {} }, { { 1 } } } do
      assert.is_true(pcall(json.decode, json.encode(value, { depth = 2 }), { depth = 2 }))
      assert.is_false(pcall(json.encode, value, { depth = 1 }))
      assert.is_false(pcall(json.decode, json.encode(value), { depth = 1 }))
    end
  end)

  it("refuses depth without falling over", function()
    local t = {}
    for _ = 1, 10000 do t = { t } end
    assert.equal("LIMIT", refused(json.encode, t).code)
  end)

  it("works on after an error", function()
    refused(json.encode, { 1, print })
    refused(json.decode, "[1,")
    assert.equal("[1]", again "[1]")
  end)
end)

describe("json.lines", function()
  it("iterates over values in lines or not, with nulls and false among them", function()
    local values = {}
    for value in json.lines '{"a":1}\n[2] 3\r\n"four"null false{}12' do values[#values + 1] = json.encode(value) end
    assert.same({ '{"a":1}', "[2]", "3", '"four"', "null", "false", "{}", "12" }, values)
  end)

  it("takes its input in any pieces", function()
    local text = '{"a":"}\\"]"} [1,[2]]\n-1.5e3 true "x y"'
    for size = 1, 9 do
      local at, values = 1, {}
      local function read()
        if at > #text then return nil end
        at = at + size
        return text:sub(at - size, at - 1)
      end
      for value in json.lines(read) do values[#values + 1] = value end
      assert.same({ { a = '}"]' }, { 1, { 2 } }, -1500.0, true, "x y" }, values)
    end
  end)

  it("names the byte in the whole input, and goes on behind the faulty value", function()
    local next_value = json.lines('{"a":1}\n{"b":01}\n{"c":3}')
    assert.same({ a = 1 }, next_value())
    assert.equal(14, refused(next_value).byte)
    assert.same({ c = 3 }, next_value())
    assert.is_nil(next_value())
  end)

  it("tells an input that ends in the middle of a value", function()
    local next_value = json.lines '[1,2'
    assert.matches("ends too early", refused(next_value).message)
  end)

  it("limits the size of a value", function()
    local decoder = json.decoder { limit = 100 }
    decoder:feed('["' .. ("x"):rep(200))
    assert.equal("LIMIT", refused(decoder.next, decoder).code)
  end)
end)
