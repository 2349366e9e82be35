// client on Node: GETs of "Hello, World!" on kept connections by fetch, 64 at once. Argument: requests.
const { spawn } = require("child_process");
const n = Number(process.argv[2]);
const server = spawn((process.env.BUILD || "build") + "/bench/http_hello_c");

async function requests(url, count) {
  let left = count;
  const one = async () => {
    while (left-- > 0) {
      if ((await (await fetch(url)).text()) !== "Hello, World!") throw new Error("another answer");
    }
  };
  await Promise.all(Array.from({ length: 64 }, one));
}

server.stdout.once("data", async (port) => {
  const url = `http://127.0.0.1:${Number(port)}/`;
  await requests(url, n / 10);
  const began = process.hrtime.bigint();
  const before = process.cpuUsage();
  await requests(url, n);
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  const used = process.cpuUsage(before);
  console.log(`per_s ${(n / seconds).toFixed(1)} cpu_us ${((used.user + used.system) / n).toFixed(4)}`);
  server.kill();
  process.exit(0);
});
