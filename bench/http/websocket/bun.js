// websocket on Bun, by its own server: sends each message back. Prints its port and serves until killed.
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: (request, self) => (self.upgrade(request) ? undefined : new Response("no WebSocket", { status: 426 })),
  websocket: { message: (ws, message) => ws.send(message) },
});
console.log(server.port);
