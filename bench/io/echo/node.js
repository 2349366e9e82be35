// echo on Node, by events. Prints its port and serves until killed.
const server = require("net").createServer((conn) => {
  conn.setNoDelay(true);
  conn.on("data", (chunk) => conn.write(chunk));
  conn.on("error", () => conn.destroy());
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
