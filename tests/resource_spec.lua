-- Every resource has `close`, may be closed twice, and is closed where the block of a `<close>` variable ends.
local rille = require "rille"
local fs, net = rille.fs, rille.net

local function pair()
  local listener <close> = net.listen("127.0.0.1", 0)
  local a, b
  rille.gather(function() a = net.connect(listener:address()) end, function() b = listener:accept() end)
  b:close()
  return a
end

local makers = {
  connection = pair,
  listener = function() return net.listen("127.0.0.1", 0) end,
  ["datagram socket"] = function() return net.udp { host = "127.0.0.1", port = 0 } end,
  file = function() return fs.open "/dev/null" end,
  watch = function() return fs.watch "/tmp" end,
  ["temporary directory"] = function() return (select(2, fs.temp_dir())) end,
  process = function() return rille.process.spawn { "true" } end,
  ["signal watch"] = function() return rille.signal.each "USR2" end,
  worker = function() return rille.worker.spawn(function() return {} end) end,
  ["worker channel"] = function() return rille.worker.channel(1) end,
  channel = function() return rille.channel(1) end,
  digest = function() return rille.hash.new "md5" end,
  compressor = function() return rille.zip.compressor "gzip" end,
  decompressor = function() return rille.zip.decompressor "gzip" end,
  ["unpacking reader"] = function() return rille.zip.reader(fs.open "/dev/null", "gzip") end,
  ["HTTP server"] = function() return rille.http.serve { port = 0, handler = function() return "" end } end,
  progress = function() return rille.progress(1, "x", { out = fs.open("/dev/null", "w") }) end,
}

describe("a resource", function()
  for name, make in pairs(makers) do
    it("such as a " .. name .. " may be closed twice, and by its block", function()
      local one = make()
      one:close()
      one:close()
      local kept
      do
        local two <close> = make()
        kept = two
      end
      kept:close()
    end)
  end
end)
