-- Counts primes with plain Lua code: on one thread, then on one worker a core.
--   rille examples/primes.lua [LIMIT]
local rille = require "rille"
local parallel = require "rille.parallel"
local system = require "rille.os"

local limit = tonumber(arg[1]) or 1500000
local STEP = 10000

-- By trial division, so that there is something to do. It is sent to the workers as it is.
local function count_primes(first)
  local count = 0
  for n = math.max(first, 2), first + STEP - 1 do
    local prime = n == 2 or n % 2 == 1
    local d = 3
    while prime and d * d <= n do
      prime = n % d ~= 0
      d = d + 2
    end
    if prime then count = count + 1 end
  end
  return count
end

local ranges = {}
for first = 0, limit - 1, STEP do ranges[#ranges + 1] = first end

local function sum(counts)
  local total = 0
  for _, n in ipairs(counts) do total = total + n end
  return total
end

local function timed(what, f)
  local began = rille.now()
  local total = f()
  local seconds = rille.now() - began
  print(("%-12s %d primes below %d in %.2f s"):format(what, total, #ranges * STEP, seconds))
  return seconds
end

-- The workers are started beforehand: they stay warm.
local cores = system.cpus()
parallel.each(ranges, function() end, { workers = cores, chunk = 1 })

local one = timed("one worker:", function()
  return sum(parallel.map(ranges, count_primes, { workers = 1 }))
end)
local all = timed(("%d workers:"):format(cores), function()
  return sum(parallel.map(ranges, count_primes, { workers = cores, chunk = 1 }))
end)
print(("%.2f times as fast"):format(one / all))
