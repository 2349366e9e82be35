-- http.serve with workers: several runtimes answer on one port.
local rille = require "rille"
local http = require "rille.http"
local net = require "rille.net"

local function ask(port)
  local conn <close> = net.connect("127.0.0.1", port)
  conn:write "GET / HTTP/1.0\r\n\r\n"
  return conn:read("a"):match "\r\n\r\n(.*)$"
end

describe("workers", function()
  it("share the port, answer side by side, and end with the server", function()
    local server = http.serve {
      port = 0, workers = 2,
      handler = function() return tostring(require("rille.worker").is_worker()) end,
    }
    local seen = {}
    rille.timeout(5, function()
      repeat seen[ask(server.port)] = true until seen["true"] and seen["false"]
    end)
    server:stop()
    rille.timeout(5, function()
      while pcall(ask, server.port) do rille.sleep(0.01) end
    end)
  end)

  it("need a port", function()
    assert.error_matches(function()
      http.serve { path = "/tmp/x", workers = 2, handler = function() return "" end }
    end, "port")
  end)
end)
