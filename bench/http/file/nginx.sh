# file on nginx, one process: a server of files in a directory. Prints its port and serves until killed.
. bench/lib/nginx.sh
nginx_directory file
nginx_serve "listen 127.0.0.1:$port; root $dir/../www;"
