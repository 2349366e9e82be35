-- All WebSocket messages of a state are packed by one compressor. A finalizer that the collector ran in the middle of one, and
-- that sent a message too, reset it: the first message left empty, and nobody was told.
local worker = require "rille.worker"

-- Packs messages while finalizers do so too; how many came back as another text.
local function pack_amid_finalizers()
  collectgarbage("incremental", 100, 1, 1)
  local deflate = require "rille.native.wsdeflate"
  local text, left, broken = ("%x"):rep(100):gsub("%%x", function() return ("%04x"):format(math.random(0xffff)) end), 5000, 0
  local function finalized()
    left = left - 1
    deflate.deflate(text, 15)
  end
  for _ = 1, left do setmetatable({}, { __gc = finalized }) end
  while left > 0 do
    if deflate.inflate(deflate.deflate(text, 15), #text) ~= text then broken = broken + 1 end
  end
  return broken
end

describe("a WebSocket's message", function()
  it("is whole also when a finalizer packs another one meanwhile", function()
    local w <close> = worker.spawn(pack_amid_finalizers)
    assert.equal(0, w:join())
  end)
end)
