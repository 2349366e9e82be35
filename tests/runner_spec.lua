-- `rille test`: what it runs, what it fails, what it says.
local program = arg[-1]

local function run(source, options)
  local path = os.tmpname() .. "_spec.lua"
  local file = assert(io.open(path, "w"))
  file:write('local rille = require "rille"\n', source)
  file:close()
  local pipe = assert(io.popen(("%s test %s %s 2>&1"):format(program, options or "", path)))
  local output = pipe:read "a"
  local _, _, status = pipe:close()
  os.remove(path)
  os.remove((path:gsub("_spec%.lua$", "")))
  return output, status
end

describe("rille test", function()
  it("lets every part of a test wait", function()
    local output, status = run [[
      setup(function() rille.sleep(0.001) end)
      teardown(function() rille.sleep(0.001) end)
      before_each(function() rille.sleep(0.001) end)
      after_each(function() rille.sleep(0.001) end)
      it("waits", function() finally(function() rille.sleep(0.001) end) rille.sleep(0.001) end)
      it("is two", function() end)
    ]]
    assert.equal(0, status)
    assert.matches("2 passed, 0 failed, 0 skipped", output)
  end)

  it("fails with status 1 and counts failures, errors and pending tests", function()
    local output, status = run [[
      it("fails", function() assert.equal(1, 2) end)
      it("errors", function() error("oh") end)
      pending("waits to be written")
    ]]
    assert.equal(1, status)
    assert.matches("0 passed, 2 failed, 1 skipped", output)
  end)

  it("ends a test at its deadline and goes on", function()
    local output, status = run([[
      it("hangs", function() rille.channel():recv() end)
      it("goes on", function() end)
    ]], "--timeout=0.05")
    assert.equal(1, status)
    assert.matches("took more than 0.05 s", output, 1, true)
    assert.matches("1 passed, 1 failed", output)
  end)

  it("ends what a failed test has left running", function()
    local output, status = run([[
      local rille = require "rille"
      it("fails", function()
        local listener = require("rille.net").listen("127.0.0.1", 0)
        rille.spawn(listener.accept, listener)
        error "boo"
      end)
      it("goes on", function() end)
    ]], "--timeout=0.05")
    assert.equal(1, status)
    assert.matches("boo", output)
    assert.matches("1 passed, 1 failed", output)
  end)

  it("fails the test that leaks a task, and says where it was spawned", function()
    local output = run [[
      it("leaks", function() rille.detach(function() rille.sleep(100) end) end)
      it("does not", function() end)
    ]]
    assert.matches("leaks\n[^\n]*left behind: task %d+ %(sleep, spawned at [^\n]*_spec.lua:2%)", output)
    assert.matches("1 passed, 1 failed", output)
  end)

  it("fails the test that leaks a file", function()
    local output = run [[it("leaks", function() F = io.open("/etc/passwd") end)]]
    assert.matches("left behind: file /etc/passwd", output, 1, true)
    assert.matches("0 passed, 1 failed", output)
  end)

  it("gives each test its own scope: children are joined before the next", function()
    local output = run [[
      local alive = 0
      it("spawns", function()
        rille.spawn(function() alive = 1; rille.sleep(0.01); alive = 0 end)
        rille.yield()
      end)
      it("sees none", function() assert.equal(0, alive) end)
    ]]
    assert.matches("2 passed, 0 failed", output)
  end)

  it("refuses an option that means nothing with status 2", function()
    local _, status = run("", "--timeout=soon")
    assert.equal(2, status)
  end)

  it("takes busted's -e, --helper and --no-keep-going, and tells what it cannot load", function()
    local output, status = run([[it("sees it", function() assert.equal(5, FIVE) end)]], "-e FIVE=5")
    assert.equal(0, status, output)
    output = run([[it("fails", error) it("is not run", function() end)]], "--no-keep-going")
    assert.matches("0 passed, 1 failed", output)
    for options, complaint in pairs {
      ["--helper=no_such_helper"] = "cannot load the helper 'no_such_helper'", ["-e FIVE="] = "unexpected symbol",
      ["--directory=/no/such"] = "chdir '/no/such'",
    } do
      output, status = run("", options)
      assert.equal(2, status, options)
      assert.matches("rille test: [^\n]*" .. complaint, output)
    end
  end)
end)
