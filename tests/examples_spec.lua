-- Every script in examples/ runs to its end by itself, with status 0, and shows what it is for.
local program = arg[-1]

-- What the output must hold, as patterns; a script that is not listed must only print something.
local shown = {
  ["tour.lua"] = { "Timers", "clients", "Files" },
  ["gather.lua"] = { "1%.%d+" },
  ["echo_server.lua"] = { "echo" },
  ["hello_http.lua"] = { "Hello, rille!" },
  ["json_api.lua"] = { "201\t/notes/1", "422\ttext", "204\t404\t404" },
  ["chat_ws.lua"] = { "guest 3: goodbye" },
  ["sse_clock.lua"] = { "data: %d%d:%d%d:%d%d" },
  ["upload.lua"] = { "1000000 bytes" },
  ["reverse_proxy.lua"] = { "two: GET /b", "POST /c, 1000000 bytes", "502" },
  ["crawler.lua"] = { "30 pages" },
  ["sha256sum.lua"] = { "agree" },
  ["gzip_tree.lua"] = { "content with 60" },
  ["hash_while_serving.lua"] = { "while hashing", "GB/s" },
}

local function lines_of(command)
  local pipe = assert(io.popen(command))
  local list = {}
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

describe("examples", function()
  for _, path in ipairs(lines_of "ls examples/*.lua 2>/dev/null") do
    it("runs " .. path, function()
      local pipe = assert(io.popen(("timeout -k 1 25 %s %s 2>&1 </dev/null"):format(program, path)))
      local output = pipe:read "a"
      local _, how, status = pipe:close()
      assert.equal("exit 0", how .. " " .. status, output)
      assert.matches("%S", output)
      for _, pattern in ipairs(shown[path:match "[^/]+$"] or {}) do
        assert.matches(pattern, output)
      end
    end)
  end
end)
