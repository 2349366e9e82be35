---@meta
-- Streams, connections, listeners, datagram sockets, names: what the native part defines.

--- Bytes both ways: connections, pipes, files, TLS, the standard streams.
---@class rille.Stream
local Stream = {}

--- The next chunk; n bytes, fewer only at the end; a line ("l", "L"), everything ("a"), a number ("n"). nil at the end.
---@async
---@param format integer|"l"|"L"|"a"|"n"|nil
---@return string|number|nil
---@raise LIMIT ECONNRESET EBUSY CLOSED
function Stream:read(format) end

--- What is before the delimiter, which is consumed. What is left before the end, then nil.
---@async
---@param delimiter string
---@param options {limit: integer?, keep: boolean?}?
---@return string?
---@raise LIMIT ECONNRESET EBUSY CLOSED
function Stream:read_until(delimiter, options) end

---@param format integer|"l"|"L"|"a"|"n"|nil
---@return fun(): string|number|nil
function Stream:lines(format) end

---@return fun(): string?
function Stream:chunks() end

--- Waits until read() would not.
---@async
---@return self
function Stream:ready() end

--- How many bytes have arrived.
---@return integer
function Stream:buffered() end

--- Waits while more than 64 KiB are unsent.
---@async
---@param ... string|number
---@return self
---@raise EPIPE ECONNRESET EBUSY BROKEN CLOSED
function Stream:write(...) end

--- Waits until nothing is unsent.
---@async
---@return self
function Stream:flush() end

--- Sends what is unsent, then the end; reading goes on.
---@async
---@return self
function Stream:shutdown() end

--- Unsent bytes still go, for a while. Does not wait.
function Stream:close() end

---@return boolean
function Stream:is_closed() end

--- Prints as "host:port" or the path.
---@class rille.Address
---@field host string?
---@field port integer?
---@field path string?

---@class rille.Connection: rille.Stream
local Connection = {}

---@return rille.Address, integer? port
function Connection:peer() end

---@return rille.Address, integer? port
function Connection:address() end

---@param options {nodelay: boolean?, keepalive: boolean|integer|nil}
---@return self
function Connection:set(options) end

---@return integer descriptor
function Connection:fd() end

---@class rille.Listener
local Listener = {}

---@async
---@return rille.Connection
---@raise CLOSED EMFILE
function Listener:accept() end

---@return fun(): rille.Connection? ends when the listener is closed
function Listener:accepted() end

---@return rille.Address, integer? port
function Listener:address() end

function Listener:close() end

---@return boolean
function Listener:is_closed() end

---@class rille.Udp
local Udp = {}

--- Sends one datagram. Waits while the system has no room for it.
---@async
---@param data string
---@param host string? a name is looked up; none if connected
---@param port integer?
---@return self
---@raise EMSGSIZE ECONNREFUSED EBUSY CLOSED, EAI_NONAME and its kin
function Udp:send(data, host, port) end

--- The next datagram, and who sent it. Waits for it; up to 64 are kept meanwhile.
---@async
---@return string data, string host, integer port
---@raise ECONNREFUSED EBUSY CLOSED
function Udp:recv() end

--- Waits if `host` is a name.
---@async
---@param host string
---@param port integer
---@return self
---@raise EAI_NONAME and its kin, CLOSED
function Udp:connect(host, port) end

--- Receives what is sent to a multicast group.
---@param group string
---@param interface string?
---@return self
function Udp:join(group, interface) end

--- Ends that.
---@param group string
---@param interface string?
---@return self
function Udp:leave(group, interface) end

--- Allows sending to broadcast addresses.
---@param on boolean
---@return self
function Udp:set_broadcast(on) end

--- `loop`: whether what is sent comes back here; `ttl`: hops; `interface`: the one to send by.
---@param options {loop: boolean?, ttl: integer?, interface: string?}
---@return self
function Udp:set_multicast(options) end

--- Where it is bound.
---@return rille.Address, integer port
function Udp:address() end

---@return rille.Address, integer port
function Udp:peer() end

function Udp:close() end

---@class rille.net.ConnectOptions
---@field host string?
---@field port integer?
---@field path string?
---@field tls boolean|rille.tls.ClientOptions|nil

---@class rille.net.ListenOptions
---@field host string?
---@field port integer?
---@field path string?
---@field backlog integer?
---@field reuse_port boolean?

---@class rille.net.ServeOptions
---@field max_connections integer?
---@field on_error fun(err: any, conn: rille.Connection)?
---@field tls rille.tls.ServerOptions?
---@field handshake_timeout number?

---@class rille.tls.ClientOptions
---@field server_name string?
---@field ca_file string?
---@field ca string?
---@field cert string?
---@field key string?
---@field password string?
---@field alpn string[]?
---@field verify boolean?
---@field min_version "1.2"|"1.3"|nil
---@field session string?

---@class rille.tls.ServerOptions
---@field cert string
---@field key string
---@field password string?
---@field client_ca string?
---@field alpn string[]?
---@field min_version "1.2"|"1.3"|nil

---@class rille.TlsStream: rille.Connection
local TlsStream = {}

---@return string? protocol
function TlsStream:alpn() end

---@return {version: string, cipher: string, alpn: string?, resumed: boolean, server_name: string?, peer_subject: string?}
function TlsStream:info() end

return { Stream, Connection, Listener, Udp, TlsStream }
