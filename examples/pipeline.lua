-- A pipeline of tasks joined by channels: numbers -> squares (three workers) -> a slow sink. The channels are short, so the
-- slow end holds the fast one back.
local rille = require "rille"

local COUNT, WORKERS, CAPACITY = 30, 3, 4

local numbers = rille.channel(CAPACITY)
local squares = rille.channel(CAPACITY)
local ahead = 0 -- how far the source ran before the sink, at most
local made, used = 0, 0

local function source()
  for i = 1, COUNT do
    numbers:send(i)
    made = i
    ahead = math.max(ahead, made - used)
  end
  numbers:close()
end

local function square()
  for n in numbers do
    rille.sleep(0.002)
    squares:send(n * n)
  end
end

local function sink()
  local sum = 0
  for n in squares do
    rille.sleep(0.005)
    used = used + 1
    sum = sum + n
  end
  return sum
end

local sum = rille.group(function(g)
  g:spawn(source)
  g:spawn(function()
    rille.group(function(workers)
      for _ = 1, WORKERS do
        workers:spawn(square)
      end
    end)
    squares:close() -- when the last worker is done
  end)
  return sink()
end)

local limit = 2 * CAPACITY + WORKERS + 3
print(("sum of %d squares: %d"):format(COUNT, sum))
print(("the source was at most %d items ahead of the sink (never more than %d)"):format(ahead, limit))
assert(sum == 9455 and ahead <= limit)
