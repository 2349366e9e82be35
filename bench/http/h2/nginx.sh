# h2 on nginx, one process: one sentence over HTTP/2 and TLS. Prints its port and serves until killed.
. bench/lib/nginx.sh
nginx_directory h2
nginx_serve "listen 127.0.0.1:$port ssl http2;
    ssl_certificate $dir/../tls.crt;
    ssl_certificate_key $dir/../tls.key;
    location / {
      default_type text/plain;
      return 200 'Hello, World!';
    }"
