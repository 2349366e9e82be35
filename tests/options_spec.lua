-- Options are one trailing table, and an unknown one is an error that names it: everywhere.
local rille = require "rille"

local function refuses(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.matches("unknown option 'colour'", tostring(err), 1, true)
end

-- Each takes the options table as its last argument.
local calls = {
  ["rille.map"] = { {}, print },
  ["rille.wait"] = { {} },
  ["rille.inspect"] = { 1 },
  ["net.connect"] = { "127.0.0.1", 1 },
  ["net.listen"] = { "127.0.0.1", 0 },
  ["net.udp"] = {},
  ["dns.lookup"] = { "127.0.0.1" },
  ["tls.check"] = {},
  ["fs.read"] = { "/no/such" },
  ["fs.write"] = { "/no/such", "" },
  ["fs.open"] = { "/no/such", "r" },
  ["fs.mkdir"] = { "/no/such" },
  ["fs.remove"] = { "/no/such" },
  ["fs.walk"] = { "/no/such" },
  ["fs.temp_dir"] = {},
  ["fs.temp_file"] = {},
  ["fs.watch"] = { "/no/such" },
  ["process.run"] = {},
  ["process.spawn"] = {},
  ["hash.pbkdf2"] = { "password", "salt" },
  ["hash.scrypt"] = { "password", "salt" },
  ["hash.argon2id"] = { "password" },
  ["zip.gzip"] = { "" }, ["zip.gunzip"] = { "" }, ["zip.deflate"] = { "" }, ["zip.inflate"] = { "" },
  ["zip.zstd"] = { "" }, ["zip.unzstd"] = { "" }, ["zip.brotli"] = { "" }, ["zip.unbrotli"] = { "" },
  ["zip.compressor"] = { "gzip" }, ["zip.decompressor"] = { "gzip" },
  ["json.decode"] = { "1" }, ["json.encode"] = { 1 }, ["json.decoder"] = {}, ["json.lines"] = { "1" },
  ["text.base64_encode"] = { "" }, ["text.base64_decode"] = { "" },
  ["text.url_encode"] = { "" }, ["text.url_decode"] = { "" },
  ["parallel.map"] = { {}, function() end },
  ["parallel.each"] = { {}, function() end },
  ["parallel.reduce"] = { {}, function() end, 0 },
  ["supervisor.run"] = {},
  ["http.serve"] = {},
  ["http.get"] = { "http://127.0.0.1:1/" },
  ["http.fetch"] = {},
  ["http.session"] = {},
  ["http.ws_connect"] = { "ws://127.0.0.1:1/" },
  ["http.cookie"] = { "a", "b" },
  ["http.json"] = { 1 }, ["http.html"] = { "" }, ["http.file"] = { "/no/such" }, ["http.static"] = { "/" },
  ["http.cors"] = {}, ["http.compress"] = {},
}

describe("an unknown option", function()
  for name, arguments in pairs(calls) do
    it("of " .. name .. " is told", function()
      local module, field = name:match "^(%w+)%.([%w_]+)$"
      local f = (module == "rille" and rille or rille[module])[field]
      local n = #arguments
      local given = { table.unpack(arguments) }
      given[n + 1] = { colour = 1 }
      refuses(f, table.unpack(given, 1, n + 1))
    end)
  end

  it("of a worker and of a method is told", function()
    local listener <close> = rille.net.listen("127.0.0.1", 0)
    refuses(rille.net.serve, listener, print, { colour = 1 })
    refuses(rille.worker.spawn, { print, colour = 1 })
    local conn <close> = rille.net.connect(listener:address())
    refuses(conn.set, conn, { colour = 1 })
    refuses(conn.read_until, conn, "\n", { colour = 1 })
    local socket <close> = rille.net.udp()
    refuses(socket.set_multicast, socket, { colour = 1 })
    local v = rille.vec.f64(1)
    refuses(v.sort, v, { colour = 1 })
    local ch = rille.channel()
    refuses(ch.close, ch, { colour = 1 })
  end)
end)
