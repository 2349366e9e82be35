# h2 on nginx, one process: one sentence over HTTP/2 and TLS. Prints its port and serves until killed.
PATH=$PATH:/usr/sbin
dir=${BUILD:-build}/bench/nginx_h2
mkdir -p "$dir/logs"
dir=$(realpath "$dir")
port=$(od -An -N2 -tu2 /dev/urandom | awk '{ print 20000 + $1 % 12000 }')
cat >"$dir/nginx.conf" <<CONF
daemon off;
master_process off;
pid nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  server {
    listen 127.0.0.1:$port ssl http2;
    ssl_certificate $dir/../tls.crt;
    ssl_certificate_key $dir/../tls.key;
    location / {
      default_type text/plain;
      return 200 "Hello, World!";
    }
  }
}
CONF
echo "$port"
exec nginx -p "$dir" -c "$dir/nginx.conf" 2>/dev/null
