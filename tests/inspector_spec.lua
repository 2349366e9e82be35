-- rille --inspect: the page, its data, and who may see it.
local json = require "rille.json"
local program = arg[-1]
local rille = require "rille"

local SCRIPT = [[
local rille = require "rille"
local lock = rille.lock()
rille.spawn(function() local _ <close> = lock:acquire() rille.sleep(60) end).name = "holder"
rille.spawn(function() local _ <close> = lock:acquire() end).name = "waiter"
for i = 1, 3 do rille.spawn(function() while true do rille.sleep(0.02) end end) end
]]

local function with_program(f)
  local path = os.tmpname()
  local file = io.open(path, "w")
  file:write(SCRIPT)
  file:close()
  local _ <close> = setmetatable({}, { __close = function() os.remove(path) end })
  local child <close> = rille.process.spawn { program, "--inspect=127.0.0.1:0", path, stdout = "null" }
  local url = child.stderr:read("l"):match "http://%S+"
  return f(url, url:match ":(%d+)/")
end

local function get(port, path, host)
  local conn <close> = rille.net.connect("127.0.0.1", tonumber(port))
  conn:write(("GET %s HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n\r\n"):format(path, host or "127.0.0.1"))
  local answer = conn:read "a"
  return answer:match "\r\n\r\n(.*)$", tonumber(answer:match "^HTTP/1.1 (%d+)"), answer
end

describe("the inspector", function()
  it("shows tasks, who holds what they wait for, and numbers", function()
    with_program(function(_, port)
      local state = json.decode((get(port, "/state")))
      local by_name = {}
      for _, task in ipairs(state.tasks) do
        by_name[task.name or task.id] = task
      end
      assert.equal("lock", by_name.waiter.waits_for)
      assert.equal(by_name.holder.id, by_name.waiter.waits_for_task)
      assert.is_nil(by_name.inspector)
      rille.sleep(0.1)
      local later = json.decode((get(port, "/state")))
      assert.is_true(later.stats.steps > state.stats.steps)
      assert.is_number(later.stats.lag.max)
    end)
  end)

  it("serves a page that needs nothing from outside, to this machine alone", function()
    with_program(function(_, port)
      local page, status = get(port, "/")
      assert.equal(200, status)
      assert.matches("^<!doctype html>", page)
      assert.is_nil(page:find "https?://")
      assert.equal(403, select(2, get(port, "/state", "evil.example")))
    end)
  end)

  local chromium = os.execute "command -v chromium >/dev/null 2>&1"
  local browser = chromium and it or function(name) pending(name .. " (chromium is not installed)") end
  browser("draws the tasks in a browser, and follows them", function()
    with_program(function(url)
      local result = rille.process.run { "chromium", "--headless=new", "--no-sandbox", "--disable-gpu",
        "--virtual-time-budget=2000", "--dump-dom", url, timeout = 25 }
      assert.matches("holder", result.stdout)
      assert.matches("lock %(held by task %d+ holder%)", result.stdout)
      assert.matches("longest step [%d.]+ m?s", result.stdout)
    end)
  end)
end)
