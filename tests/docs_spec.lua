-- Every ```lua block of the documentation runs as a script and ends with status 0.
local program = arg[-1]

local function lines_of(command)
  local pipe = assert(io.popen(command))
  local list = {}
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

-- The blocks of a file, each with the line it begins at. Blank lines keep the numbers of errors right.
local function blocks_of(path)
  local blocks, block, number = {}, nil, 0
  for line in io.lines(path) do
    number = number + 1
    if line:match "^```lua%s*$" then
      block = { line = number, ("\n"):rep(number - 1) }
    elseif line:match "^```" and block then
      block.text = table.concat(block, "\n")
      blocks[#blocks + 1] = block
      block = nil
    elseif block then
      block[#block + 1] = line
    end
  end
  return blocks
end

local function run(path, text)
  local directory = os.tmpname()
  os.remove(directory)
  local script = ("%s/%s.lua"):format(directory, path:match "([^/]+)%.md$")
  assert(os.execute("mkdir " .. directory))
  local file = assert(io.open(script, "w"))
  file:write(text)
  file:close()
  local here = lines_of("pwd")[1]
  local absolute = program:sub(1, 1) == "/" and program or here .. "/" .. program
  local pipe = assert(io.popen(("cd %s && timeout -k 1 20 %s %s 2>&1 </dev/null"):format(directory, absolute, script)))
  local output = pipe:read "a"
  local _, how, status = pipe:close()
  os.execute("rm -rf " .. directory)
  return how .. " " .. status, output
end

describe("the code in", function()
  for _, path in ipairs(lines_of "ls README.md docs/*.md 2>/dev/null") do
    for _, block in ipairs(blocks_of(path)) do
      it(("%s:%d runs"):format(path, block.line), function()
        local status, output = run(path, block.text)
        assert.equal("exit 0", status, output)
      end)
    end
  end
end)
