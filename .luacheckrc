-- What luacheck takes for granted in this tree.
std = "lua54"
max_line_length = false
-- To-be-closed variables that are held for their end alone.
ignore = { "211/_.*", "211/clock", "211/guard", "211/running", "211/restore", "211/cleanup", "211/held", "211/first", "311/first" }
unused_args = false
codes = true
exclude_files = { "build*/**", "stdlib/types/**" }
files["tests/**/*_spec.lua"] = { std = "+busted" }
