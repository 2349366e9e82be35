// json on Node: decodes a note, checks it, and answers with another. Prints its port and serves until killed.
let last = 0;

function answer(response, status, value) {
  const body = JSON.stringify(value);
  response.writeHead(status, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) });
  response.end(body);
}

const server = require("http").createServer((request, response) => {
  if (request.method !== "POST" || request.url !== "/notes") return answer(response, 404, {});
  let text = "";
  request.setEncoding("utf8");
  request.on("data", (piece) => (text += piece));
  request.on("end", () => {
    const note = JSON.parse(text);
    if (typeof note.text !== "string" || note.tags.length === 0) return answer(response, 422, {});
    last = (last % 900) + 100;
    answer(response, 201, { id: last, text: note.text, tags: note.tags, done: note.done === true });
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
