-- A key and a certificate for the servers of this work, made once.
local at = (os.getenv "BUILD" or "build") .. "/bench/tls"
local command = [[[ -s %s.crt ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
  -subj /CN=bench -addext subjectAltName=DNS:localhost -keyout %s.key -out %s.crt 2>/dev/null]]
os.execute(("mkdir -p %s"):format(at:match ".*/"))
assert(os.execute(command:format(at, at, at)))
