-- rille.text: encodings there and back, and what is malformed.
local text = require "rille.text"

local function refused(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.equal("INVALID", err.code)
  return tonumber(err.message:match("byte (%d+)"))
end

local pairs_of = {
  { text.base64_encode, text.base64_decode },
  { text.base64url_encode, text.base64url_decode },
  { text.hex_encode, text.hex_decode },
  { text.url_encode, text.url_decode },
}

describe("every encoding", function()
  it("comes back from each string of one and two bytes", function()
    for _, codec in ipairs(pairs_of) do
      local encode, decode = codec[1], codec[2]
      for a = 0, 255 do
        local one = string.char(a)
        if decode(encode(one)) ~= one then error("byte " .. a) end
        for b = 0, 255, 5 do
          local two = string.char(a, b)
          if decode(encode(two)) ~= two then error("bytes " .. a .. " " .. b) end
        end
      end
    end
  end)

  it("comes back at once and from the pool", function()
    local seed = {}
    for i = 1, 256 do seed[i] = string.char(i * 37 % 256) end
    local chunk = table.concat(seed)
    for _, codec in ipairs(pairs_of) do
      for _, data in ipairs { "", chunk, chunk:rep(1000) .. "tail" } do
        assert.is_true(codec[2](codec[1](data)) == data)
      end
    end
  end)
end)

describe("base64", function()
  it("is RFC 4648's", function()
    local plain = { "", "f", "fo", "foo", "foob", "fooba", "foobar" }
    local coded = { "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy" }
    for i, s in ipairs(plain) do
      assert.equal(coded[i], text.base64_encode(s))
      assert.equal(s, text.base64_decode(coded[i]))
      assert.equal((coded[i]:gsub("=", "")), text.base64url_encode(s))
      assert.equal(s, text.base64url_decode((coded[i]:gsub("=", ""))))
    end
    assert.equal("-_-_", text.base64url_encode("\xfb\xff\xbf"))
    assert.equal("+/+/", text.base64_encode("\xfb\xff\xbf"))
  end)

  it("pads as told", function()
    assert.equal("Zg", text.base64_encode("f", { pad = false }))
    assert.equal("Zg==", text.base64url_encode("f", { pad = true }))
    assert.equal("f", text.base64_decode("Zg", { pad = false }))
  end)

  it("tells where it is malformed", function()
    assert.equal(3, refused(text.base64_decode, "Zg"))
    assert.equal(5, refused(text.base64_decode, "Zm9v\n"))
    assert.equal(2, refused(text.base64_decode, "Zh=="))
    assert.equal(3, refused(text.base64_decode, "Zg==Zg=="))
    assert.equal(1, refused(text.base64_decode, "===="))
    assert.equal(2, refused(text.base64_decode, "Z-=="))
    assert.equal(1, refused(text.base64url_decode, "+/"))
    assert.equal(70001, refused(text.base64_decode, ("A"):rep(70000) .. "!AAA"))
  end)
end)

describe("hex", function()
  it("takes both cases and tells what is no digit", function()
    assert.equal("00ff41", text.hex_encode("\0\xffA"))
    assert.equal("\xab\xcd", text.hex_decode("aBCd"))
    assert.equal(4, refused(text.hex_decode, "000"))
    assert.equal(2, refused(text.hex_decode, "0g"))
  end)
end)

describe("percent-encoding", function()
  it("keeps what RFC 3986 calls unreserved", function()
    assert.equal("AZaz09-._~", text.url_encode("AZaz09-._~"))
    assert.equal("%20%2F%3F%23%25%C3%A9", text.url_encode(" /?#%é"))
    assert.equal("a b", text.url_decode("a%20b"))
    assert.equal("a+b", text.url_decode("a+b"))
  end)

  it("knows forms", function()
    assert.equal("a+b%2B", text.url_encode("a b+", { form = true }))
    assert.equal("a b+", text.url_decode("a+b%2b", { form = true }))
  end)

  it("tells a percent sign without two digits", function()
    assert.equal(1, refused(text.url_decode, "%"))
    assert.equal(2, refused(text.url_decode, "a%4"))
    assert.equal(1, refused(text.url_decode, "%4g"))
  end)
end)

describe("text.utf8_valid", function()
  it("accepts every form and refuses what RFC 3629 forbids", function()
    assert.is_true(text.utf8_valid(""))
    assert.is_true(text.utf8_valid("a\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}"))
    for bad, at in pairs {
      ["\x80"] = 1, ["a\xc0\x80"] = 2, ["\xc1\xbf"] = 1, ["\xe0\x9f\xbf"] = 1, ["\xed\xa0\x80"] = 1, ["\xf0\x8f\xbf\xbf"] = 1,
      ["\xf4\x90\x80\x80"] = 1, ["\xf5\x80\x80\x80"] = 1, ["\xc3"] = 1, ["ab\xe2\x82"] = 3, ["\xf0\x9f\x98"] = 1, ["\xff"] = 1,
    } do
      local ok, place = text.utf8_valid(bad)
      assert.is_false(ok)
      assert.equal(at, place)
    end
  end)

  it("agrees with Lua's own", function()
    local sound = ("é€😀abc"):rep(9000)
    assert.is_true(text.utf8_valid(sound))
    for _, at in ipairs { 1, 40, 65536, #sound - 5 } do
      local spoilt = sound:sub(1, at - 1) .. "\xff" .. sound:sub(at + 1)
      local _, expected = utf8.len(spoilt)
      local ok, place = text.utf8_valid(spoilt)
      assert.is_false(ok)
      assert.equal(expected, place)
    end
  end)
end)

describe("text.shell_quote", function()
  it("makes words a shell gives back unchanged", function()
    local words = { "plain", "two words", "it's", "", "$HOME `x` \"q\" \\ *", "new\nline", "-rf", "é" }
    local pipe <close> = assert(io.popen("printf '%s\\0' " .. text.shell_quote(table.unpack(words))))
    assert.equal(table.concat(words, "\0") .. "\0", pipe:read("a"))
    assert.equal("ls -l /tmp/a.b", text.shell_quote("ls", "-l", "/tmp/a.b"))
  end)

  it("refuses a NUL byte", function() assert.is_false(pcall(text.shell_quote, "a\0b")) end)
end)
