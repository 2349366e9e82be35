-- Follows files as they grow, like tail -F (a file may be rotated, or come later):
-- rille examples/tail.lua FILE...
-- Without arguments it shows itself: it follows two logs that are written, and rotated, meanwhile.
local rille = require "rille"
local fs = require "rille.fs"
local path = require "rille.path"

-- Prints what is new in `state.file` since the last look; starts anew in another file of that name.
local function look(state)
  local ok, st = pcall(fs.stat, state.path)
  if not ok then
    return
  end
  if st.inode ~= state.inode or st.size < state.at then
    if state.file then
      state.file:close()
    end
    state.file, state.inode, state.at = fs.open(state.path), st.inode, 0
  end
  state.file:seek("set", state.at)
  for line in state.file:lines "L" do
    if line:sub(-1) ~= "\n" then
      break -- not whole yet
    end
    state.at = state.at + #line
    rille.stdout:write(path.basename(state.path), ": ", line)
  end
end

local function follow(file)
  local state <close> = setmetatable({ path = file, at = 0 }, {
    __close = function(state)
      if state.file then
        state.file:close()
      end
    end,
  })
  -- The directory, not the file: so a new file of the same name is seen.
  local watch <close> = fs.watch(path.dirname(file))
  look(state)
  for event in watch do
    if event.path == path.join(path.dirname(file), path.basename(file)) then
      look(state)
    end
  end
end

if #arg > 0 then
  rille.group(function(g)
    for _, file in ipairs(arg) do
      g:spawn(follow, file)
    end
  end)
  return
end

local dir, _ <close> = fs.temp_dir()
rille.group(function(g)
  g:spawn(follow, dir .. "/web.log")
  g:spawn(follow, dir .. "/jobs.log")
  for i = 1, 3 do
    fs.write(dir .. "/web.log", ("GET /%d\n"):format(i), { append = true })
    fs.write(dir .. "/jobs.log", ("job %d "):format(i), { append = true })
    rille.sleep(0.05)
    fs.write(dir .. "/jobs.log", "done\n", { append = true })
  end
  rille.sleep(0.05)
  fs.rename(dir .. "/web.log", dir .. "/web.log.1")
  fs.write(dir .. "/web.log", "GET /after-rotation\n")
  rille.sleep(0.1)
  g:cancel "enough shown"
end)
rille.stdout:flush()
