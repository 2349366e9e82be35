-- Names: found, not found, malformed, many at once, cancelled.
local rille = require "rille"
local dns = require "rille.dns"

local function error_of(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  return err
end

describe("dns", function()
  it("takes a family by name or by number", function()
    assert.same({ "127.0.0.1" }, dns.lookup("127.0.0.1", { family = 4 }))
    assert.same({ "::1" }, dns.lookup("::1", { family = 6 }))
    assert.is_false(pcall(dns.lookup, "127.0.0.1", { family = 6 }))
    for _, family in ipairs { 5, "ipv5" } do
      assert.matches("option 'family': 4, 6, 'ipv4' or 'ipv6' expected, got '?" .. family,
        (select(2, pcall(dns.lookup, "127.0.0.1", { family = family }))))
    end
  end)

  it("finds localhost, in either family", function()
    local found = dns.lookup "localhost"
    assert.is_true(#found >= 1)
    for _, address in ipairs(dns.lookup("localhost", { family = "ipv4" })) do
      assert.equal("127.0.0.1", address)
    end
  end)

  it("takes addresses as they are", function()
    assert.same({ "192.0.2.7" }, dns.lookup "192.0.2.7")
    assert.same({ "::1" }, dns.lookup "::1")
    assert.same({ "::1" }, dns.lookup "[::1]")
    assert.equal("EAI_NONAME", error_of(dns.lookup, "::1", { family = "ipv4" }).code)
  end)

  it("refuses what other parsers take for addresses", function()
    for _, name in ipairs { "127.1", "0x7f000001", "1" } do
      assert.equal("EAI_NONAME", error_of(dns.lookup, name).code)
    end
  end)

  it("names the host that is not there", function()
    local err = error_of(rille.timeout, 2, dns.lookup, "no-such-host.invalid")
    if err.code == "TIMEOUT" then return end -- a resolver that does not answer
    assert.matches("^EAI_", err.code)
    assert.equal("no-such-host.invalid", err.address)
    assert.equal("lookup", err.op)
  end)

  it("tells what is wrong with a name", function()
    for _, name in ipairs { "", "a\0b", ("x"):rep(64) .. ".invalid", ("a."):rep(127) .. "invalid", "a..b" } do
      assert.is_false(pcall(rille.timeout, 0.5, dns.lookup, name))
    end
    assert.has_error(function() dns.lookup("localhost", { colour = 1 }) end)
  end)

  it("finds the name of an address", function()
    assert.equal("string", type(dns.reverse "127.0.0.1"))
    assert.is_false(pcall(dns.reverse, "not an address"))
    assert.is_false(pcall(rille.timeout, 0.5, dns.reverse, "192.0.2.1"))
  end)

  it("can be cancelled, many at once", function()
    local jobs = {}
    for i = 1, 100 do
      jobs[i] = function() pcall(dns.lookup, "host" .. i .. ".invalid") end
    end
    rille.move_on_after(0.001, rille.gather, jobs)
    assert.is_true(#dns.lookup "localhost" >= 1)
  end)
end)
