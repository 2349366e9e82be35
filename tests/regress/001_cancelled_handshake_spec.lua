-- net.connect{tls=true} closed its connection behind a pcall when the handshake failed. A cancellation passes through pcall,
-- so a handshake that timed out left the connection open until the collector found it.
local rille = require "rille"

describe("a TLS handshake that is cancelled", function()
  it("closes its connection", function()
    local listener <close> = rille.net.listen("127.0.0.1", 0)
    rille.group(function(g)
      local peer = g:async(function()
        local conn <close> = listener:accept()
        while conn:read() do end -- the end comes when the client has closed
        return "closed"
      end)
      local ok, err = pcall(rille.timeout, 0.05, rille.net.connect, "127.0.0.1", listener:address().port, { tls = true })
      assert.is_false(ok)
      assert.equal("TIMEOUT", err.code)
      assert.equal("closed", rille.timeout(2, peer.await, peer))
    end)
  end)
end)
