-- json: a document decoded and encoded again and again. Arguments: times, document.
local json = require "rille.json"
local n = tonumber(arg[1])
local file = assert(io.open("build/bench/json/" .. arg[2] .. ".json"))
local text = file:read("a")
file:close()

local began = os.clock()
local value
for _ = 1, n do value = json.decode(text) end
print(("decode %.2f"):format(n * #text / (os.clock() - began) / 1e6))

began = os.clock()
local out
for _ = 1, n do out = json.encode(value) end
print(("encode %.2f"):format(n * #out / (os.clock() - began) / 1e6))
