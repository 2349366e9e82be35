// hello on Deno, by its own server. Prints its port and serves until killed.
const headers = { "Content-Type": "text/plain" };
Deno.serve(
  { hostname: "127.0.0.1", port: 0, onListen: ({ port }) => console.log(port) },
  () => new Response("Hello, World!", { headers }),
);
