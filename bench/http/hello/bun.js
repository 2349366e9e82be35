// hello on Bun, by its own server. Prints its port and serves until killed.
const headers = { "Content-Type": "text/plain" };
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: () => new Response("Hello, World!", { headers }),
});
console.log(server.port);
