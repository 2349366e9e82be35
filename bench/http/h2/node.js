// h2 on Node: a server that says one sentence over HTTP/2 and TLS. Prints its port and serves until killed.
const fs = require("fs");
const at = (process.env.BUILD || "build") + "/bench/tls";
const server = require("http2").createSecureServer(
  { cert: fs.readFileSync(at + ".crt"), key: fs.readFileSync(at + ".key") },
  (request, response) => {
    response.writeHead(200, { "Content-Type": "text/plain", "Content-Length": 13 });
    response.end("Hello, World!");
  },
);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
