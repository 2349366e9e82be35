# hello on nginx: a static file, one process. Prints its port and serves until killed.
PATH=$PATH:/usr/sbin
dir=${BUILD:-build}/bench/nginx
mkdir -p "$dir/logs"
port=$(od -An -N2 -tu2 /dev/urandom | awk '{ print 20000 + $1 % 12000 }')
printf 'Hello, World!' >"$dir/hello.txt"
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
  server {
    listen 127.0.0.1:$port;
    root $PWD/$dir;
    index hello.txt;
    open_file_cache max=10;
  }
}
CONF
echo "$port"
exec nginx -p "$PWD/$dir" -c "$PWD/$dir/nginx.conf" 2>/dev/null
