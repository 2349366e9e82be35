// websocket on Node, by Debian's ws: sends each message back. Prints its port and serves until killed.
const { WebSocketServer } = require("/usr/share/nodejs/ws");
const server = new WebSocketServer({ host: "127.0.0.1", port: 0 }, () => console.log(server.address().port));
server.on("connection", (ws) => {
  ws.on("message", (message, binary) => ws.send(message, { binary }));
});
