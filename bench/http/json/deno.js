// json on Deno, by its own server. Prints its port and serves until killed.
let last = 0;
Deno.serve(
  { hostname: "127.0.0.1", port: 0, onListen: ({ port }) => console.log(port) },
  async (request) => {
    if (request.method !== "POST") return new Response("{}", { status: 404 });
    const note = await request.json();
    if (typeof note.text !== "string" || note.tags.length === 0) return Response.json({}, { status: 422 });
    last = (last % 900) + 100;
    return Response.json({ id: last, text: note.text, tags: note.tags, done: note.done === true }, { status: 201 });
  },
);
