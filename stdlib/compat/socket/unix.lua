--- LuaSocket's Unix sockets: TCP's object, with a path in place of host and port.
local tcp = require "rille.compat.socket.tcp"

local unix = { stream = tcp.new, tcp = tcp.new }

return setmetatable(unix, { __call = function() return tcp.new() end })
