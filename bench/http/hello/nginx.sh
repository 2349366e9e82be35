# hello on nginx, one process: a static file, or (argument lua) a line of Lua. Prints its port and serves until killed.
. bench/lib/nginx.sh
nginx_directory "${1:-static}"
if [ "${1:-}" = lua ]; then
  nginx_serve "listen 127.0.0.1:$port;
    location / {
      default_type text/plain;
      content_by_lua_block {
        ngx.header['Content-Length'] = 13
        ngx.print('Hello, World!')
      }
    }" 'load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;'
fi
printf 'Hello, World!' >"$dir/hello.txt"
nginx_serve "listen 127.0.0.1:$port; root $dir; index hello.txt; open_file_cache max=10;"
