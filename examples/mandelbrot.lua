-- Draws the Mandelbrot set on all cores: an image for any viewer (PGM), and a small one here.
--   rille examples/mandelbrot.lua [WIDTH] [FILE]
local rille = require "rille"
local fs = require "rille.fs"
local parallel = require "rille.parallel"

local width = tonumber(arg[1]) or 480
local height = width * 2 // 3
local DEPTH = 120

-- In a worker: one row as bytes, black inside the set.
local function row(y)
  local bytes = {}
  local ci = (y - 0.5) / height * 2.4 - 1.2
  for x = 1, width do
    local cr = (x - 0.5) / width * 3.6 - 2.6
    local zr, zi, n = 0.0, 0.0, 0
    while n < DEPTH and zr * zr + zi * zi < 4 do
      zr, zi = zr * zr - zi * zi + cr, 2 * zr * zi + ci
      n = n + 1
    end
    bytes[x] = string.char(n == DEPTH and 0 or 255 - n * 255 // DEPTH)
  end
  return table.concat(bytes)
end

local numbers = {}
for y = 1, height do numbers[y] = y end

local began = rille.now()
local rows
do
  local progress <close> = rille.progress(height, "rows")
  rows = parallel.map(numbers, row, { chunk = 8, progress = progress })
end
local seconds = rille.now() - began

local shades = "@%#*+=-:. "
for y = 1, height, height // 20 do
  local line = {}
  for x = 1, width, width // 64 do
    local level = rows[y]:byte(x) * #shades // 256 + 1
    line[#line + 1] = shades:sub(level, level)
  end
  print((table.concat(line):gsub("%s+$", "")))
end

local image = ("P5\n%d %d\n255\n"):format(width, height) .. table.concat(rows)
if arg[2] then
  fs.write(arg[2], image)
  print(("%d x %d pixels in %.2f s: %s"):format(width, height, seconds, arg[2]))
else
  local dir, _ <close> = fs.temp_dir()
  fs.write(dir .. "/mandelbrot.pgm", image)
  local size = fs.stat(dir .. "/mandelbrot.pgm").size
  print(("%d x %d pixels, %d bytes, in %.2f s"):format(width, height, size, seconds))
end
