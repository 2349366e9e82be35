-- What luacheck takes for granted in this tree.
std = "lua54"
max_line_length = 120
unused_args = false
codes = true
exclude_files = { "build*/**", "stdlib/types/**" }
files["tests/**/*_spec.lua"] = { std = "+busted" }
files["examples/**"] = { max_line_length = 100 }
