// file on Node: a server of files in a directory, which it streams. Prints its port and serves until killed.
const fs = require("fs");
const root = (process.env.BUILD || "build") + "/bench/www";
const server = require("http").createServer(async (request, response) => {
  const file = await fs.promises.open(root + request.url);
  const { size, mtime } = await file.stat();
  response.writeHead(200, { "Content-Type": "text/plain", "Content-Length": size, "Last-Modified": mtime.toUTCString() });
  file.createReadStream().pipe(response);
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
