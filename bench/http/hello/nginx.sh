# hello on nginx, one process: a static file, or (argument lua) a line of Lua. Prints its port and serves until killed.
PATH=$PATH:/usr/sbin
dir=${BUILD:-build}/bench/nginx_${1:-static}
mkdir -p "$dir/logs"
port=$(od -An -N2 -tu2 /dev/urandom | awk '{ print 20000 + $1 % 12000 }')
printf 'Hello, World!' >"$dir/hello.txt"
modules= answer='root '$PWD/$dir'; index hello.txt; open_file_cache max=10;'
if [ "${1:-}" = lua ]; then
  modules='load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;'
  answer='location / {
      default_type text/plain;
      content_by_lua_block {
        ngx.header["Content-Length"] = 13
        ngx.print("Hello, World!")
      }
    }'
fi
cat >"$dir/nginx.conf" <<CONF
$modules
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
    $answer
  }
}
CONF
echo "$port"
exec nginx -p "$PWD/$dir" -c "$PWD/$dir/nginx.conf" 2>/dev/null
