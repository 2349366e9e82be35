# nginx as the benches run it, to be sourced: one process, no log, connections that stay.
PATH=$PATH:/usr/sbin

# nginx_directory NAME: makes the directory of that configuration; sets `dir` and a free `port`.
nginx_directory() {
  dir=${BUILD:-build}/bench/nginx_$1
  mkdir -p "$dir/logs"
  dir=$(realpath "$dir")
  port=$(od -An -N2 -tu2 /dev/urandom | awk '{ print 20000 + $1 % 12000 }')
}

# nginx_serve SERVER [MODULES]: prints the port, and serves with this `server` block until killed.
nginx_serve() {
  cat >"$dir/nginx.conf" <<CONF
${2:-}
daemon off;
master_process off;
pid nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  types { text/plain txt; }
  server { $1 }
}
CONF
  echo "$port"
  exec nginx -p "$dir" -c "$dir/nginx.conf" 2>/dev/null
}
