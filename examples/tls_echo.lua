-- An echo server over TLS. With arguments it serves until Ctrl-C; without, it makes itself a certificate (with the program
-- openssl) and shows what a client sees, and what one that trusts nobody sees.
--   rille examples/tls_echo.lua [PORT CERTIFICATE KEY]
local rille = require "rille"
local net = require "rille.net"

local function echo(conn)
  for chunk in conn:chunks() do conn:write(chunk) end
end

local function make_certificate()
  local key, cert = os.tmpname(), os.tmpname()
  local command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
    .. "-days 2 -subj /CN=tls_echo -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' "
    .. "-keyout %s -out %s 2>/dev/null"
  if not os.execute(command:format(key, cert)) then error "the program openssl is needed" end
  return cert, key
end

if arg[1] then
  local listener <close> = net.listen("*", math.tointeger(arg[1]))
  print("TLS echo on " .. listener:address())
  local tls = { cert = arg[2], key = arg[3] }
  return net.serve(listener, echo, { tls = tls, on_error = function() end })
end

local cert, key = make_certificate()
local listener <close> = net.listen("127.0.0.1", 0)
local port = listener:address().port
rille.group(function(g)
  local server = g:async(net.serve, listener, echo, {
    tls = { cert = cert, key = key },
    on_error = function(err) print("server: " .. tostring(err):gsub("'.-'", "a client")) end,
  })

  local conn = net.connect("localhost", port, { tls = { ca_file = cert } })
  local info = conn:info()
  print(("client: %s, %s"):format(info.version, info.cipher))
  conn:write "whispered\n"
  print("client: echoed " .. conn:read "l")
  conn:close()

  local again <close> = net.connect("localhost", port, { tls = { ca_file = cert } })
  print("client: session resumed: " .. tostring(again:info().resumed))

  local ok, err = pcall(net.connect, "localhost", port, { tls = true })
  print("stranger: " .. (ok and "connected?!" or err.message:gsub("'.-'", "the server")))
  server:cancel()
end)
os.remove(cert)
os.remove(key)
