-- The resident set of this process, in bytes.
return function()
  local file <close> = assert(io.open("/proc/self/statm"))
  local pages = file:read("a"):match("^%d+ (%d+)")
  return tonumber(pages) * 4096
end
