-- Three fetches of one second each, side by side: they take one second together.
local rille = require "rille"

local fetch = rille.async(function(url)
  rille.sleep(1) -- a slow server
  return ("%d bytes of %s"):format(#url * 100, url)
end)

local start = rille.now()
local pages = rille.gather { fetch "/index", fetch "/news", fetch "/about" }
for _, page in ipairs(pages) do
  print(page)
end
local elapsed = rille.now() - start
print(("three fetches of 1 s in %.1f s"):format(elapsed))
assert(elapsed < 2, "they did not run side by side")
