-- The files that the servers of this work send, made once.
local at = (os.getenv "BUILD" or "build") .. "/bench/www"
os.execute(("mkdir -p %s"):format(at))

local function make(name, size)
  local file <close> = assert(io.open(at .. "/" .. name, "w"))
  file:write(("x"):rep(size))
end

make("small.txt", 1024)
make("large.txt", 1024 * 1024)
