# The C modules: name, sources, and the packages each needs. One line a module, sorted by name.
rille_module(hash SOURCES lua/mod/heavy/hash.c lua/mod/heavy/hash_kdf.c runtime/cpu/hash.c runtime/cpu/hash_file.c runtime/cpu/kdf.c
  PACKAGES libcrypto zlib libargon2)
rille_module(zip SOURCES lua/mod/heavy/zip.c runtime/cpu/zip.c runtime/cpu/zip_zlib.c runtime/cpu/zip_zstd.c runtime/cpu/zip_brotli.c
  PACKAGES zlib libzstd libbrotlienc libbrotlidec)
rille_module(http2 SOURCES lua/mod/heavy/http2.c runtime/io/heavy/h2conn.c runtime/io/heavy/h2head.c PACKAGES libnghttp2)
rille_module(http_client SOURCES lua/mod/heavy/http_client.c runtime/io/heavy/curlmulti.c runtime/io/heavy/curlpermit.c
  PACKAGES libcurl)
rille_module(line SOURCES lua/mod/heavy/line.c PACKAGES libedit)
rille_module(regex SOURCES lua/mod/heavy/regex.c runtime/cpu/regex.c runtime/cpu/regex_sub.c
  PACKAGES libpcre2-8)
rille_module(tls SOURCES lua/mod/heavy/tls.c runtime/io/heavy/tlsstream.c runtime/wire/heavy/tls.c runtime/wire/heavy/tls_context.c
  PACKAGES openssl)
rille_module(vec SOURCES lua/mod/heavy/vec.c lua/mod/heavy/vec_arith.c lua/mod/heavy/vec_reduce.c runtime/cpu/vec.c runtime/cpu/vec_matmul.c
  LIBRARIES m)
set_source_files_properties(runtime/cpu/vec.c runtime/cpu/vec_matmul.c PROPERTIES
  COMPILE_OPTIONS "-O3;-fno-math-errno;-fno-strict-aliasing")
rille_module(wsdeflate SOURCES lua/mod/heavy/wsdeflate.c PACKAGES zlib)
