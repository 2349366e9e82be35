---@meta rille.dns
-- Names to addresses and back.

local dns = {}

--- The addresses of a host, the system's first choice first.
---@async
---@param host string
---@param options {family: 4|6|"ipv4"|"ipv6"|nil}?
---@return string[]
---@raise EAI_NONAME EAI_AGAIN EAI_FAIL
function dns.lookup(host, options) end

--- The name of an address.
---@async
---@param address string
---@return string
---@raise EAI_NONAME EAI_AGAIN EINVAL
function dns.reverse(address) end

return dns
