-- http.serve with workers: several runtimes answer on one port.
local rille = require "rille"
local http = require "rille.http"
local net = require "rille.net"
local worker = require "rille.worker"

local function ask(port, path)
  local conn <close> = net.connect("127.0.0.1", port)
  conn:write("GET ", path or "/", " HTTP/1.0\r\n\r\n")
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
    assert.is_false((pcall(ask, server.port)))
  end)

  it("answer what is under way before the server has stopped", function()
    local tasks, begun = #rille.tasks(), worker.buffer(8)
    local server = http.serve {
      port = 0, workers = 2,
      handler = function(request)
        if request.path == "/slow" then begun:add(1) end
        if not require("rille.worker").is_worker() then return "first" end
        if request.path == "/slow" then require("rille").sleep(0.1) end
        return "second"
      end,
    }
    rille.timeout(10, function()
      repeat until ask(server.port) == "second"
    end)
    local asking, answers = {}, {}
    for i = 1, 20 do
      asking[i] = net.connect("127.0.0.1", server.port)
      asking[i]:write "GET /slow HTTP/1.0\r\n\r\n"
    end
    while begun:load(1) < #asking do rille.sleep(0.001) end
    server:stop()
    assert.equal(tasks, #rille.tasks())
    for _, conn in ipairs(asking) do
      answers[conn:read("a"):match "%a+$"] = true
      conn:close()
    end
    assert.is_true(answers.second)
  end)

  it("that die are started again", function()
    local server = http.serve {
      port = 0, workers = 2, on_error = function() end,
      handler = function(request)
        if not require("rille.worker").is_worker() then return "first" end
        if request.path == "/die" then os.exit(1) end
        return "second"
      end,
    }
    local function until_the_second(path)
      rille.timeout(10, function()
        local ok, answer
        repeat ok, answer = pcall(ask, server.port, path) until ok and answer == "second"
      end)
    end
    until_the_second "/"
    until_the_second "/die" -- its last words
    until_the_second "/"
    server:stop()
  end)

  it("need a handler that can travel, and say so before anything listens", function()
    local router = http.router()
    for _, handler in ipairs { router, function(request) return router(request) end } do
      local ok, err = pcall(http.serve, { port = 0, workers = 2, handler = handler })
      assert.is_false(ok)
      assert.equal("INVALID", err.code)
      assert.matches("http.serve with workers: handler: .*cannot be sent; the name of a module", err.message)
    end
  end)

  it("need a port", function()
    assert.error_matches(function()
      http.serve { path = "/tmp/x", workers = 2, handler = function() return "" end }
    end, "port")
  end)
end)
