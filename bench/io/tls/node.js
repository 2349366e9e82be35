// TLS on Node: a handshake, then blocks for whoever sends anything. Prints its port and serves until killed.
const fs = require("fs");
const at = (process.env.BUILD || "build") + "/bench/tls";
const block = Buffer.alloc(65536, "x");

const server = require("tls").createServer(
  { cert: fs.readFileSync(at + ".crt"), key: fs.readFileSync(at + ".key"), minVersion: "TLSv1.3" },
  (conn) => {
    const pump = () => {
      while (!conn.destroyed && conn.write(block));
    };
    conn.on("drain", pump);
    conn.once("data", pump);
    conn.on("error", () => conn.destroy());
  },
);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
