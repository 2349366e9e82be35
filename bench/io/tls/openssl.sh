# The cipher of the downloads alone, in records of 16 KiB.
openssl speed -seconds 1 -bytes 16384 -evp aes-256-gcm 2>/dev/null |
  awk '/^AES-256-GCM/ { sub("k", "", $2); print "mb_cpu", $2 / 1000 }'
