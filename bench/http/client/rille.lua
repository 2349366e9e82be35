-- client: GETs of "Hello, World!" on kept connections, 64 at once. Argument: requests.
local rille = require "rille"
local http = require "rille.http"
local process = require "rille.process"
local n = tonumber(arg[1])

local server <close> = process.spawn { (os.getenv "BUILD" or "build") .. "/bench/http_hello_c", stdout = "pipe" }
local url = "http://127.0.0.1:" .. server.stdout:read_until "\n" .. "/"

local function requests(count)
  local left = count
  rille.group(function(g)
    for _ = 1, 64 do
      g:spawn(function()
        while left > 0 do
          left = left - 1
          assert(http.get(url).body == "Hello, World!")
        end
      end)
    end
  end)
end

requests(n // 10)
local began, cpu = rille.now(), os.clock()
requests(n)
print(("per_s %.1f cpu_us %.4f"):format(n / (rille.now() - began), (os.clock() - cpu) / n * 1e6))
server:kill()
