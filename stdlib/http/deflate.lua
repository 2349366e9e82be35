--- permessage-deflate (RFC 7692): what is offered and agreed on. No message leans on the one before.
local http = require "rille.native.http"

local deflate = {}

deflate.OFFER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

local function is_bits(value) return value ~= true and value:find "^[1-9]%d?$" ~= nil and tonumber(value) >= 8 and tonumber(value) <= 15 end

local SOUND = {
  server_no_context_takeover = function(value) return value == true end,
  client_no_context_takeover = function(value) return value == true end,
  client_max_window_bits = function(value) return value == true or is_bits(value) end,
  server_max_window_bits = is_bits,
}

-- The parameters of "name; a; b=1" if it is permessage-deflate and they are sound, else nil.
local function read(item)
  local name, rest = item:match "^([^;]*)(.*)$"
  if http.trim(name) ~= "permessage-deflate" then return nil end
  local found = {}
  for part in rest:gmatch "[^;]+" do
    local key, value = part:match "^([^=]*)=(.*)$"
    key, value = http.trim(key or part), value == nil or http.trim(value)
    if value ~= true then value = value:match '^"(.*)"$' or value end
    if found[key] ~= nil or not SOUND[key] or not SOUND[key](value) then return nil end
    found[key] = value
  end
  return found
end

--- What a server answers to an offer, and the bits of its window; nil if there is nothing it can take.
--- @param list string? the field Sec-WebSocket-Extensions
--- @return string? answer
--- @return integer? bits
function deflate.accept(list)
  for item in (list or ""):gmatch "[^,]+" do
    local asked = read(item)
    local bits = asked and tonumber(asked.server_max_window_bits) or 15
    if asked and bits > 8 then -- zlib has no window of 256 bytes
      return deflate.OFFER .. (asked.server_max_window_bits and "; server_max_window_bits=" .. bits or ""), bits
    end
  end
end

--- Whether a server's answer to OFFER is one.
--- @param list string the field Sec-WebSocket-Extensions
function deflate.agreed(list)
  local got = not list:find "," and read(list) or nil
  return got ~= nil and got.server_no_context_takeover == true and got.client_max_window_bits == nil
end

return deflate
