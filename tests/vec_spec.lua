-- rille.vec: against plain Lua loops, at sizes for one thread and for several.
local rille = require "rille"
local vec = require "rille.vec"

local function refused(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  return type(err) == "table" and err.code or err
end

local sizes = { 0, 1, 7, 64, 65, 5000, 600000 }

local function numbers(n, integers)
  local list, seed = {}, 12345
  for i = 1, n do
    seed = (seed * 1103515245 + 12345) & 0x7fffffff
    list[i] = integers and seed % 2001 - 1000 or seed / 0x40000000 - 1
  end
  return list
end

describe("making", function()
  it("takes counts, lists, bytes and vectors", function()
    assert.same({ 0, 0 }, vec.i32(2):table())
    assert.same({ 1.5, 2.0 }, vec.f64 { 1.5, 2 }:table())
    assert.equal(1.0, vec.f32("\0\0\x80\x3f")[1])
    assert.same({ 1, -2 }, vec.f64({ 1.9, -2.9 }):to("i64"):table())
    assert.equal("\1\2", vec.u8 { 1, 2 }:bytes())
    assert.equal("f32", vec.f32(1):type())
  end)

  it("refuses what does not fit", function()
    assert.equal("INVALID", refused(vec.u8, { 256 }))
    assert.equal("INVALID", refused(vec.u8, { -1 }))
    assert.equal("INVALID", refused(vec.i32, { 1.5 }))
    assert.equal("INVALID", refused(vec.i32, { "x" }))
    assert.equal("INVALID", refused(function() return vec.f64 { 3e9 }:to("i32") end))
    assert.equal("INVALID", refused(function() return vec.f64 { 0 / 0 }:to("i64") end))
    assert.equal("INVALID", refused(function() return vec.f64 { 2 ^ 63 }:to("i64") end))
    assert.equal(math.mininteger, vec.f64 { -2 ^ 63 }:to("i64")[1])
    assert.is_false(pcall(vec.f64, -1))
    assert.is_false(pcall(vec.f64, "123"))
    assert.is_false(pcall(vec.f64, 1 << 50))
  end)

  it("has elements, slices and a length", function()
    local v = vec.i64 { 10, 20, 30 }
    v[2] = 21
    assert.same({ 10, 21, 30 }, v:table())
    assert.is_nil(v[0])
    assert.is_nil(v[4])
    assert.is_false(pcall(function() v[4] = 1 end))
    assert.is_false(pcall(function() v[1] = 1.5 end))
    assert.same({ 21, 30 }, v:slice(2):table())
    assert.same({ 21 }, v:slice(-2, -2):table())
    assert.equal(0, #v:slice(5))
    assert.is_true(v:slice() == v)
  end)
end)

describe("arithmetic", function()
  it("is Lua's, element by element", function()
    for _, n in ipairs(sizes) do
      local x, y = numbers(n), numbers(n, true)
      local a, b = vec.f64(x), vec.f64(y)
      local sum, product, scaled, inverse = a + b, a * b, a * 3 - 1, 1 / (b + 0.5)
      local step = math.max(1, n // 100)
      for i = 1, n, step do
        assert.equal(x[i] + y[i], sum[i])
        assert.equal(x[i] * y[i], product[i])
        assert.equal(x[i] * 3 - 1, scaled[i])
        assert.equal(1 / (y[i] + 0.5), inverse[i])
      end
      assert.equal(n, #sum)
    end
  end)

  it("wraps integers around and divides them downwards", function()
    assert.equal(math.mininteger, (vec.i64 { math.maxinteger } + 1)[1])
    assert.equal(4, (vec.u8 { 250 } + 10)[1])
    assert.equal(-2147483648, (vec.i32 { 2147483647 } + 1)[1])
    assert.same({ 3, -4, 3 }, (vec.i32 { 7, -7, 6 } // 2):table())
    assert.same({ -4, 3 }, (vec.i64 { 7, -7 } // -2):table())
    assert.equal(math.mininteger, (vec.i64 { math.mininteger } // -1)[1])
    assert.equal(math.mininteger, (vec.i64 { math.mininteger } // vec.i64 { -1 })[1])
    assert.equal("INVALID", refused(function() return vec.i32 { 1, 2 } // vec.i32 { 1, 0 } end))
    assert.equal("INVALID", refused(function() return vec.i32 { 1 } / 2 end))
  end)

  it("works in place", function()
    local v = vec.f64 { 1, 4, 9 }
    assert.equal(v, v:sqrt():add(1):mul(vec.f64 { 1, 2, 3 }))
    assert.same({ 2.0, 6.0, 12.0 }, v:table())
    assert.same({ -2.0, 6.0 }, vec.f64 { -2.5, 6.5 }:clamp(-2, 6.4):add(-0.4):add(0.4):floor():table())
    assert.same({ 7, 7 }, vec.u8(2):fill(7):table())
    assert.same({ 1, 1 }, vec.i32 { -1, 1 }:abs():table())
    assert.equal(-1.0, (-vec.f64 { 1 })[1])
    assert.is_true(math.abs(vec.f64 { 2 }:log():exp()[1] - 2) < 1e-15)
  end)

  it("refuses vectors that do not fit together", function()
    assert.equal("INVALID", refused(function() return vec.f64(2) + vec.f64(3) end))
    assert.equal("INVALID", refused(function() return vec.f64(2) + vec.f32(2) end))
    assert.is_false(pcall(function() return vec.f64(2) + "x" end))
  end)
end)

describe("reductions", function()
  it("agree with loops", function()
    for _, n in ipairs(sizes) do
      local list = numbers(n, true)
      local sum, dot, low, high = 0, 0, nil, nil
      for _, x in ipairs(list) do
        sum, dot = sum + x, dot + x * x
        low, high = math.min(low or x, x), math.max(high or x, x)
      end
      for _, make in ipairs { vec.f64, vec.i64, vec.i32 } do
        local v = make(list)
        assert.equal(sum, v:sum())
        assert.equal(dot, v:dot(v))
        assert.equal(low, v:min())
        assert.equal(high, v:max())
        if n > 0 then
          assert.equal(sum / n, v:mean())
          assert.equal(low, v[v:argmin()])
          assert.equal(high, v[v:argmax()])
        end
      end
    end
  end)

  it("add floats in one order, however many threads there are", function()
    local v = vec.f64(numbers(600000))
    local sum = v:sum()
    for _ = 1, 3 do assert.equal(sum, v:sum()) end
  end)

  it("pass over what is no number", function()
    local v = vec.f64 { 0 / 0, 2, 1, 0 / 0 }
    assert.equal(1, v:min())
    assert.equal(2, v:argmax())
    assert.is_nil(vec.f64 { 0 / 0 }:max())
    assert.is_nil(vec.f64(0):min())
  end)

  it("count into bins", function()
    local counts = vec.f64 { 0, 0.5, 1, 1.5, 2, 3, -1, 0 / 0 }:histogram(2, 0, 2)
    assert.same({ 2, 3 }, counts:table())
    assert.is_false(pcall(function() return vec.f64(1):histogram(0, 0, 1) end))
    assert.is_false(pcall(function() return vec.f64(1):histogram(2, 1, 1) end))
  end)
end)

describe("sorting and sums on the way", function()
  it("sorts every type and size", function()
    for _, n in ipairs(sizes) do
      for _, name in ipairs { "f64", "f32", "i64", "i32" } do
        local list = numbers(n, name:sub(1, 1) == "i")
        local v = vec[name](list)
        local sum = v:sum()
        v:sort()
        local last
        for i = 1, n, math.max(1, n // 5000) do
          local x = v[i]
          if last and x < last then error(name .. " at " .. i) end
          last = x
        end
        if name:sub(1, 1) == "i" then assert.equal(sum, v:sum()) end
        if n > 1 then assert.is_true(v:sort { descending = true }[1] >= v[2]) end
      end
    end
  end)

  it("puts NaN last and keeps every bit", function()
    local v = vec.f64 { 0 / 0, 1, -math.huge, math.huge, -0.0, -1 }:sort()
    assert.same({ -math.huge, -1.0, -0.0, 1.0, math.huge }, v:slice(1, 5):table())
    assert.is_true(v[6] ~= v[6])
    assert.same({ 0, 1, 255 }, vec.u8 { 255, 0, 1 }:sort():table())
  end)

  it("adds up", function()
    assert.same({ 1, 3, 6 }, vec.i64 { 1, 2, 3 }:prefix_sum():table())
    assert.equal(600000.0, vec.f64(600000):fill(1):prefix_sum()[600000])
  end)
end)

describe("vec.matmul", function()
  it("multiplies by rows and columns", function()
    local a, b = vec.f64 { 1, 2, 3, 4, 5, 6 }, vec.f64 { 7, 8, 9, 10, 11, 12 }
    assert.same({ 58.0, 64.0, 139.0, 154.0 }, vec.matmul(a, b, 2, 3, 2):table())
    assert.same({ 39.0, 54.0, 69.0, 49.0, 68.0, 87.0, 59.0, 82.0, 105.0 }, vec.matmul(b, a, 3, 2, 3):table())
  end)

  it("gives the same on several threads", function()
    local n = 130
    local a, b = numbers(n * n, true), numbers(n * n, true)
    local c = vec.matmul(vec.f64(a), vec.f64(b), n, n, n)
    for _, place in ipairs { { 1, 1 }, { 64, 65 }, { 65, 64 }, { n, n } } do
      local sum = 0
      for k = 1, n do sum = sum + a[(place[1] - 1) * n + k] * b[(k - 1) * n + place[2]] end
      assert.equal(sum, c[(place[1] - 1) * n + place[2]])
    end
  end)

  it("checks its sizes", function()
    assert.is_false(pcall(vec.matmul, vec.f64(6), vec.f64(6), 2, 3, 3))
    assert.is_false(pcall(vec.matmul, vec.i32(4), vec.i32(4), 2, 2, 2))
  end)
end)

describe("a vector in use", function()
  it("is kept from others until the work on it ends", function()
    local v = vec.f64(4000000):fill(2)
    rille.group(function(g)
      local sorting = g:async(function() return v:sort() end)
      rille.yield()
      if sorting:status() ~= "done" then assert.equal("EBUSY", refused(function() return v[1] end)) end
      sorting:await()
      assert.equal(2.0, v[1])
    end)
  end)

  it("is free again after a cancel", function()
    local v = vec.f64(numbers(2000)):to("f64")
    local big = vec.f64(4000000):fill(1)
    rille.move_on_after(0.002, function()
      for _ = 1, 1000 do big:exp():log() end
    end)
    while not pcall(function() return big[1] end) do rille.sleep(0.001) end
    assert.equal(2000, #v)
  end)
end)
