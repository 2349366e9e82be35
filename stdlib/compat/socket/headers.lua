--- LuaSocket's socket.headers: how a header's name is written. Names go as they are.
return { canonic = setmetatable({}, { __index = function(_, name)
  return (name:gsub("%f[%w]%l", string.upper))
end }) }
