-- The REPL, driven through a terminal by tmux, and through a pipe.
local program = arg[-1]
local rille = require "rille"

local function sh(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local output = pipe:read "a"
  return output, select(3, pipe:close())
end

local has_tmux = os.execute "command -v tmux >/dev/null 2>&1"
local terminal = has_tmux and it or function(name) pending(name .. " (tmux is not installed)") end

local Terminal = {}
Terminal.__index = Terminal

local function open(state)
  local self = setmetatable({ name = "rille-test-" .. math.random(1 << 40) }, Terminal)
  sh(("tmux -L %s -f /dev/null new-session -d -x 100 -y 50 'env XDG_STATE_HOME=%s HOME=%s LC_ALL=C.UTF-8 NO_COLOR=1 %s; echo status $?; sleep 20'")
    :format(self.name, state, state, program))
  local ok, err = pcall(self.shows, self, ">$")
  if not ok then
    self:close()
    error(err, 0)
  end
  return self
end

function Terminal:screen()
  return (sh(("tmux -L %s capture-pane -p"):format(self.name)):gsub("%s+$", ""))
end

function Terminal:keys(...)
  for _, key in ipairs { ... } do
    sh(("tmux -L %s send-keys %s"):format(self.name, key))
  end
end

function Terminal:types(text)
  sh(("tmux -L %s send-keys -l '%s'"):format(self.name, text:gsub("'", "'\\''")))
  self:keys "Enter"
end

-- Waits until the screen matches.
function Terminal:shows(pattern)
  local screen
  for _ = 1, 100 do
    screen = self:screen()
    if screen:find(pattern) then
      return screen
    end
    rille.sleep(0.05)
  end
  error(("the screen never showed '%s':\n%s"):format(pattern, screen), 2)
end

function Terminal:close()
  sh(("tmux -L %s kill-server"):format(self.name))
end
Terminal.__close = Terminal.close

local function with_state(f)
  local state = os.tmpname()
  os.remove(state)
  os.execute("mkdir -p " .. state)
  local _ <close> = setmetatable({}, { __close = function() os.execute("rm -rf " .. state) end })
  return f(state)
end

describe("the REPL on a terminal", function()
  terminal("shows values, keeps locals, waits, and takes several lines", function()
    with_state(function(state)
      local t <close> = open(state)
      t:types "local x = 20"
      t:types "x + 1, 'a'"
      t:shows '\n21%s+"a"\n'
      t:types "rille.sleep(0.01) return 'slept'"
      t:shows '\n"slept"\n'
      t:types "function f(a)"
      t:types "return a + x"
      t:types "end"
      t:types "f(2) * 2"
      t:shows "\n44\n"
      t:types "_ + 1"
      t:shows "\n45\n"
    end)
  end)

  terminal("completes names and keeps its history across runs", function()
    with_state(function(state)
      do
        local t <close> = open(state)
        t:keys("-l 'string.rev'", "Tab")
        t:types "('abc')"
        t:shows '\n"cba"\n'
        t:keys "C-d"
        t:shows "status 0"
      end
      local t <close> = open(state)
      t:keys "Up"
      t:shows "> string.reverse%('abc'%)$"
    end)
  end)

  terminal("shows the output of background tasks above the line that is typed", function()
    with_state(function(state)
      local t <close> = open(state)
      t:types "rille.spawn(function() rille.sleep(0.5) print 'from behind' end) return 'on'"
      t:shows '\n"on"\n>$'
      t:keys "-l 'half a li'"
      t:shows "from behind\n> half a li$"
      t:keys "-l 'ne'"
      t:shows "from behind\n> half a line$"
    end)
  end)

  terminal("ends what runs by Ctrl-C, also when it does not wait", function()
    with_state(function(state)
      local t <close> = open(state)
      t:types "print 'waits' rille.sleep(1000)"
      t:shows "\nwaits$"
      t:keys "C-c"
      t:shows "interrupted%)\n>$"
      t:types "print 'loops' while true do end"
      t:shows "\nloops$"
      t:keys "C-c"
      t:shows "interrupted\nstack traceback"
      t:types "'alive'"
      t:shows '\n"alive"\n'
      t:keys "C-c"
      t:shows "leaves%)\n>$"
      t:keys "C-c"
      t:shows "status 0"
    end)
  end)

  terminal("lists and cancels tasks", function()
    with_state(function(state)
      local t <close> = open(state)
      t:types "t = rille.detach(function() rille.sleep(1000) end) return t.id"
      local id = t:shows("\n(%d+)\n>$"):match "\n(%d+)\n>$"
      t:types ":tasks"
      t:shows(id .. "%s+[%d.]+ s  waits for sleep")
      t:types(":cancel " .. id)
      t:types "t:status()"
      t:shows '\n"done"\n'
    end)
  end)
end)

describe("the REPL on a pipe", function()
  it("reads lines, prints values and goes on after errors", function()
    local output, status = sh(([[printf '%%s\n' '1 + 1' 'error "no"' 'local a = 3' 'for i = 1, 2 do' 'a = a + i' 'end' 'a' | NO_COLOR=1 %s -i]]):format(program))
    assert.equal(0, status)
    assert.matches("\n> 2\n", output)
    assert.matches("input 2:1: no", output)
    assert.matches("6\n", output)
  end)

  it("tells what functions of all sorts of modules do", function()
    local input = os.tmpname()
    local file <close> = assert(io.open(input, "w"))
    for _, name in ipairs { "rille.race", "rille.http.get", "rille.http.post", "rille.zip.gzip", "net.connect", "rille.fs.stat",
      "rille.hash.crc32", "Stream:read", "rille.net.serve", "rille.nothing" } do
      file:write(":doc ", name, "\n")
    end
    file:flush()
    local output = sh(("%s -i <%s"):format(program, input))
    os.remove(input)
    for _, line in ipairs { "function rille.race(...)\nRuns functions", "function http.get(url, options)\nMakes a request", "zip.gzip\nOne string",
      "Connects to `host`", "function fs.stat(file)\nWhat a file is", "The digest of a string", "The next chunk",
      "Accepts connections", "nothing is known of 'rille.nothing'" } do
      assert.matches(line, output, 1, true)
    end
  end)

  it("goes on after a huge line, bad UTF-8, a failing __tostring and a cycle, and waits at the top", function()
    local lines = {
      "#'" .. ("x"):rep(1 << 20) .. "'", "'\255\254'", "'after ' .. 'bytes'",
      "setmetatable({}, {__tostring = function() error 'in tostring' end})",
      "t = {} t.t = t", "t", "require('rille').sleep(0) return 'waited'", "21 * 2",
    }
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(table.concat(lines, "\n"), "\n")
    file:close()
    local output, status = sh(("NO_COLOR=1 %s -i < %s"):format(program, path))
    os.remove(path)
    assert.equal(0, status)
    for _, shown in ipairs { "1048576", "after bytes", "waited", "42" } do assert.matches(shown, output, 1, true) end
  end)
end)
