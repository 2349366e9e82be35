-- A generator began a group, a timeout or a shield and yielded in it; the task ended, and another one went on with the
-- generator. Leaving the body, it used the scope of the ended task, which was freed: random programs found it.
local rille = require "rille"

describe("a generator taken over by another task", function()
  for _, kind in ipairs { "group", "timeout", "shield", "move_on_after" } do
    it("is told at the end of its " .. kind, function()
      local function body()
        coroutine.yield("first")
        rille.sleep(0.001)
        return "last"
      end
      local co = coroutine.create(function()
        if kind == "timeout" or kind == "move_on_after" then return rille[kind](1, body) end
        return rille[kind](body)
      end)
      assert.same({ true, "first" }, { rille.spawn(coroutine.resume, co):await() })
      local ok, err = rille.spawn(coroutine.resume, co):await()
      assert.is_false(ok)
      assert.equal("DENIED", err.code)
    end)
  end

  it("keeps an error of its own", function()
    local co = coroutine.create(function()
      rille.group(function()
        coroutine.yield()
        error("its own", 0)
      end)
    end)
    rille.spawn(coroutine.resume, co):await()
    assert.same({ false, "its own" }, { rille.spawn(coroutine.resume, co):await() })
  end)
end)
