// processes on Node: runs of /bin/true, 16 at once.
const { spawn } = require("child_process");
const n = Number(process.argv[2]);
const rounds = Math.floor(n / 16);
const once = () =>
  new Promise((done, fail) => {
    const child = spawn("/bin/true", { stdio: "ignore" });
    child.on("error", fail);
    child.on("exit", (code) => (code === 0 ? done() : fail(new Error("failed"))));
  });

async function runs() {
  for (let i = 0; i < rounds; i++) await once();
}

(async () => {
  const began = process.hrtime.bigint();
  await Promise.all(Array.from({ length: 16 }, runs));
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  console.log(`per_s ${((rounds * 16) / seconds).toFixed(1)}`);
})();
