# file on nginx, one process: a server of files in a directory. Prints its port and serves until killed.
PATH=$PATH:/usr/sbin
dir=${BUILD:-build}/bench/nginx_file
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
  sendfile on;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  types { text/plain txt; }
  server {
    listen 127.0.0.1:$port;
    root $dir/../www;
  }
}
CONF
echo "$port"
exec nginx -p "$dir" -c "$dir/nginx.conf" 2>/dev/null
