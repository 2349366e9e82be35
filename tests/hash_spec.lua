-- rille.hash: published vectors of every digest, HMAC and KDF; pieces, files, cancelling.
local rille = require "rille"
local hash = require "rille.hash"

-- FIPS 180-4, FIPS 202, RFC 1321 and RFC 7693: the empty message, "abc", 56 bytes, and a million times "a".
local messages = { "", "abc", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", ("a"):rep(1000000) }
local vectors = {
  md5 = {
    "d41d8cd98f00b204e9800998ecf8427e",
    "900150983cd24fb0d6963f7d28e17f72",
    "8215ef0796a20bcaaae116d3876c664a",
    "7707d6ae4e027c70eea2a935c2296f21",
  },
  sha1 = {
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "a9993e364706816aba3e25717850c26c9cd0d89d",
    "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
    "34aa973cd4c4daa4f61eeb2bdbad27316534016f",
  },
  sha224 = {
    "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f",
    "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
    "75388b16512776cc5dba5da1fd890150b0c6455cb4f58b1952522525",
    "20794655980c91d8bbb4c1ea97618a4bf03f42581948b2ee4ee7ad67",
  },
  sha256 = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
  },
  sha384 = {
    "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b",
    "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
    "3391fdddfc8dc7393707a65b1b4709397cf8b1d162af05abfe8f450de5f36bc6b0455a8520bc4e6f5fe95b1fe3c8452b",
    "9d0e1809716474cb086e834e310a4a1ced149e9c00f248527972cec5704c2a5b07b8b3dc38ecc4ebae97ddd87f3d8985",
  },
  sha512 = {
    "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce" ..
      "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" ..
      "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    "204a8fc6dda82f0a0ced7beb8e08a41657c16ef468b228a8279be331a703c335" ..
      "96fd15c13b1b07f9aa1d3bea57789ca031ad85c7a71dd70354ec631238ca3445",
    "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb" ..
      "de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b",
  },
  sha512_256 = {
    "c672b8d1ef56ed28ab87c3622c5114069bdd3ad7b8f9737498d0c01ecef0967a",
    "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23",
    "bde8e1f9f19bb9fd3406c90ec6bc47bd36d8ada9f11880dbc8a22a7078b6a461",
    "9a59a052930187a97038cae692f30708aa6491923ef5194394dc68d56c74fb21",
  },
  sha3_256 = {
    "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a",
    "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
    "41c0dba2a9d6240849100376a8235e2c82e1b9998a999e21db32dd97496d3376",
    "5c8875ae474a3634ba4fd55ec85bffd661f32aca75c6d699d0cdcb6c115891c1",
  },
  sha3_512 = {
    "a69f73cca23a9ac5c8b567dc185a756e97c982164fe25859e0d1dcc1475c80a6" ..
      "15b2123af1f5f94c11e3e9402c3ac558f500199d95b6d3e301758586281dcd26",
    "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e" ..
      "10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
    "04a371e84ecfb5b8b77cb48610fca8182dd457ce6f326a0fd3d7ec2f1e91636d" ..
      "ee691fbe0c985302ba1b0d8dc78c086346b533b49c030d99a27daf1139d6e75e",
    "3c3a876da14034ab60627c077bb98f7e120a2a5370212dffb3385a18d4f38859" ..
      "ed311d0a9d5141ce9cc5c66ee689b266a8aa18ace8282a0e0db596c90b0a7b87",
  },
  blake2b = {
    "786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419" ..
      "d25e1031afee585313896444934eb04b903a685b1448b755d56f701afe9be2ce",
    "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1" ..
      "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
    "7285ff3e8bd768d69be62b3bf18765a325917fa9744ac2f582a20850bc2b1141" ..
      "ed1b3e4528595acc90772bdf2d37dc8a47130b44f33a02e8730e5ad8e166e888",
    "98fb3efb7206fd19ebf69b6f312cf7b64e3b94dbe1a17107913975a793f177e1" ..
      "d077609d7fba363cbba00d05f7aa4e4fa8715d6428104c0a75643b0ff3fd3eaf",
  },
  blake2s = {
    "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9",
    "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982",
    "6f4df5116a6f332edab1d9e10ee87df6557beab6259d7663f3bcd5722c13f189",
    "bec0c0e6cde5b67acb73b81f79a67a4079ae1c60dac9d2661af18e9f8b50dfa5",
  },
  crc32 = { "00000000", "352441c2", "171a3f5f", "dc25bfbc" },
  xxh64 = { "ef46db3751d8e999", "44bc2cf5ad770999" },
}

local function code_of(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  return err.code, err
end

describe("digests", function()
  for name, expected in pairs(vectors) do
    it("of " .. name .. " are the published ones", function()
      for i, digest in ipairs(expected) do assert.equal(digest, hash[name](messages[i])) end
    end)

    it("of " .. name .. " do not depend on how the data is cut", function()
      local data = hash.random(300)
      for _, size in ipairs { 1, 63, 64, 65, 127, 128, 129, 300 } do
        local h <close> = hash.new(name)
        for at = 1, #data, size do assert.equal(h, h:update(data:sub(at, at + size - 1)):update("")) end
        assert.equal(hash[name](data), h:digest())
        assert.equal(hash[name](data, "raw"), h:digest("raw"))
      end
    end)
  end

  it("go on after a digest has been taken", function()
    local h = hash.new("sha256"):update("a")
    assert.equal(hash.sha256("a"), h:digest())
    assert.equal(hash.sha256("ab"), h:update("b"):digest())
  end)

  it("give bytes when asked for raw ones", function()
    assert.equal("\xba\x78\x16\xbf", hash.sha256("abc", "raw"):sub(1, 4))
    assert.equal(32, #hash.sha256("abc", "raw"))
  end)

  it("of large data run on the pool while others go on", function()
    local data, ticks = ("x"):rep(64 << 20), 0
    rille.group(function(g)
      local h = g:async(function() return hash.sha256(data) end)
      while h:status() ~= "done" do
        ticks = ticks + 1
        rille.sleep(0.001)
      end
      assert.equal(hash.new("sha256"):update(data):digest(), h:await())
    end)
    assert.is_true(ticks > 1)
  end)

  it("refuse what they do not know", function()
    assert.has_error(function() hash.new("sha257") end, nil)
    assert.is_false(pcall(hash.sha256, "x", "base64"))
    assert.is_false(pcall(hash.sha256, {}))
    assert.is_false(pcall(hash.sha256))
  end)

  it("are closed for good", function()
    local h = hash.new("md5")
    h:close()
    h:close()
    assert.equal("CLOSED", (code_of(h.update, h, "x")))
  end)

  it("that a cancelled update left unfinished say so", function()
    local h, data = hash.new("sha3_512"), ("x"):rep(256 << 20)
    rille.move_on_after(0.005, function() h:update(data) end)
    local code = code_of(h.digest, h)
    assert.is_true(code == "EBUSY" or code == "BROKEN")
  end)
end)

describe("hash.file", function()
  it("is the digest of the file's bytes", function()
    local path = os.tmpname()
    local file <close> = assert(io.open(path, "wb"))
    local data = hash.random(1 << 20)
    file:write(data)
    file:flush()
    assert.equal(hash.sha256(data), hash.file(path, "sha256"))
    assert.equal(hash.xxh64(data, "raw"), hash.file(path, "xxh64", "raw"))
    os.remove(path)
  end)

  it("reads files that say they are empty", function()
    local file <close> = assert(io.open("/proc/version", "rb"))
    assert.equal(hash.md5(file:read("a")), hash.file("/proc/version", "md5"))
  end)

  it("says what is no file", function()
    assert.equal("ENOENT", (code_of(hash.file, "/nonexistent", "md5")))
    assert.equal("EISDIR", (code_of(hash.file, "/", "md5")))
    assert.equal("EINVAL", (code_of(hash.file, "/dev/zero", "md5")))
    assert.is_false(pcall(hash.file, "/etc/passwd\0x", "md5"))
  end)

  it("does not wait for a FIFO", function()
    local path = os.tmpname()
    os.remove(path)
    assert(os.execute("mkfifo " .. path))
    assert.equal("EINVAL", (code_of(hash.file, path, "md5")))
    os.remove(path)
  end)
end)

describe("hash.hmac", function()
  -- RFC 4231 cases 1, 2, 3, 6 and RFC 2202 case 2.
  it("gives the published codes", function()
    assert.equal("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
      hash.hmac("sha256", ("\x0b"):rep(20), "Hi There"))
    assert.equal("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
      hash.hmac("sha256", "Jefe", "what do ya want for nothing?"))
    assert.equal("773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
      hash.hmac("sha256", ("\xaa"):rep(20), ("\xdd"):rep(50)))
    assert.equal("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
      hash.hmac("sha256", ("\xaa"):rep(131), "Test Using Larger Than Block-Size Key - Hash Key First"))
    assert.equal("164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554" ..
      "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
      hash.hmac("sha512", "Jefe", "what do ya want for nothing?"))
    assert.equal("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79", hash.hmac("sha1", "Jefe", "what do ya want for nothing?"))
    assert.equal("750c783e6ab0b503eaa86e310a5db738", hash.hmac("md5", "Jefe", "what do ya want for nothing?"))
  end)

  it("is the same at once and on the pool", function()
    local key, data = hash.random(200), ("x"):rep(1 << 20)
    local block = hash.sha256(key, "raw") .. ("\0"):rep(32)
    local function pad(byte)
      return (block:gsub(".", function(c) return string.char(c:byte() ~ byte) end))
    end
    local inner = hash.sha256(pad(0x36) .. data, "raw")
    assert.equal(hash.sha256(pad(0x5c) .. inner), hash.hmac("sha256", key, data))
  end)

  it("needs a cryptographic digest", function() assert.is_false(pcall(hash.hmac, "crc32", "k", "d")) end)
end)

describe("keys from passwords", function()
  it("by PBKDF2 are those of RFC 6070 and RFC 7914", function()
    local function sha1(n, length, password, salt)
      return hash.pbkdf2(password or "password", salt or "salt", { iterations = n, length = length, hash = "sha1" })
    end
    assert.equal("0c60c80f961f0e71f3a9b524af6012062fe037a6", sha1(1, 20))
    assert.equal("4b007901b765489abead49d926f721d065a429c1", sha1(4096, 20))
    assert.equal("56fa6aa75548099dcc37d7f03425e0c3", sha1(4096, 16, "pass\0word", "sa\0lt"))
    assert.equal("55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc" ..
      "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783",
      hash.pbkdf2("passwd", "salt", { iterations = 1, length = 64 }))
  end)

  it("by scrypt are those of RFC 7914", function()
    assert.equal("77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442" ..
      "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906",
      hash.scrypt("", "", { n = 16, r = 1, p = 1, length = 64 }))
    assert.equal("fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162" ..
      "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640",
      hash.scrypt("password", "NaCl", { n = 1024, r = 8, p = 16, length = 64 }))
  end)

  it("by Argon2id are those of its reference", function()
    local function tag(time, memory, lanes, password, salt)
      return hash.argon2id(password or "password", salt or "somesalt",
        { time = time, memory = memory, parallelism = lanes })
    end
    assert.equal("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", tag(2, 256, 1))
    assert.equal("$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc", tag(2, 256, 2))
    assert.equal(32, #hash.argon2id("password", "somesalt", { time = 1, memory = 256, raw = true }))
  end)

  it("are verified", function()
    local stored = hash.argon2id("secret", { time = 1, memory = 64, parallelism = 1 })
    assert.is_true(hash.verify(stored, "secret"))
    assert.is_false(hash.verify(stored, "Secret"))
    assert.not_equal(stored, hash.argon2id("secret", { time = 1, memory = 64, parallelism = 1 }))
  end)

  it("are refused where the stored text is malformed or asks for too much", function()
    for _, text in ipairs { "", "$argon2id$", "$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$aaaa",
      "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$", "$argon2id$v=19$m=64,t=1,p=1$!$aaaaaaaa" } do
      assert.equal("INVALID", (code_of(hash.verify, text, "x")))
    end
    assert.equal("LIMIT", (code_of(hash.verify,
      "$argon2id$v=19$m=99999999,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "x")))
  end)

  it("refuse parameters that cannot be", function()
    assert.is_false(pcall(hash.scrypt, "p", "s", { n = 1000 }))
    assert.equal("LIMIT", (code_of(hash.scrypt, "p", "s", { n = 1 << 24, r = 64 })))
    assert.is_false(pcall(hash.pbkdf2, "p", "s", { hash = "crc32" }))
    assert.is_false(pcall(hash.pbkdf2, "p", "s", { iterations = 0 }))
    assert.is_false(pcall(hash.argon2id, "p", "short"))
    assert.matches("tme", (select(2, pcall(hash.argon2id, "p", { tme = 1 }))))
  end)
end)

describe("hash.random and hash.equal", function()
  it("give and compare bytes", function()
    assert.equal(0, #hash.random(0))
    assert.equal(100000, #hash.random(100000))
    assert.not_equal(hash.random(16), hash.random(16))
    assert.is_false(pcall(hash.random, -1))
    assert.is_true(hash.equal("abc", "abc"))
    assert.is_true(hash.equal("", ""))
    assert.is_false(hash.equal("abc", "abd"))
    assert.is_false(hash.equal("abc", "abcd"))
  end)
end)

describe("the pool", function()
  it("gives a single job its turn among those of a map", function()
    local data, order = ("x"):rep(4 << 20), {}
    rille.group(function(g)
      g:spawn(function()
        rille.map({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 }, function() hash.sha256(data) end, { concurrency = 12 })
        order[#order + 1] = "many"
      end)
      g:spawn(function()
        rille.yield()
        hash.sha256(data)
        order[#order + 1] = "one"
      end)
    end)
    assert.same({ "one", "many" }, order)
  end)

  it("forgets queued work that is cancelled", function()
    local data = ("x"):rep(32 << 20)
    local start = rille.now()
    rille.move_on_after(0.01, function()
      rille.map({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, function() hash.sha3_512(data) end)
    end)
    local cancelled = rille.now() - start
    hash.sha256("x")
    assert.is_true(cancelled < 1)
  end)
end)

describe("64 digests at once", function()
  it("do not hold up files and names", function()
    local fs = require "rille.fs"
    local dns = require "rille.dns"
    local data, ended = ("x"):rep(8 << 20), 0
    rille.group(function(g)
      for _ = 1, 64 do
        g:spawn(function()
          hash.sha512(data)
          ended = ended + 1
        end)
      end
      rille.sleep(0.005)
      assert.is_true(#fs.read("/proc/version") > 0)
      dns.lookup("localhost")
      assert.is_true(ended < 64)
    end)
    assert.equal(64, ended)
  end)
end)
