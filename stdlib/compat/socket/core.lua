--- LuaSocket without its Lua part: the same table.
return require "rille.compat.socket"
