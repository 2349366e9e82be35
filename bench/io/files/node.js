// files on Node: reads of 4 KiB files, 64 at once.
const fs = require("fs");
const n = Number(process.argv[2]);
const dir = "build/bench/files";
fs.mkdirSync(dir, { recursive: true });
const paths = Array.from({ length: 64 }, (_, i) => `${dir}/${i}`);
for (const path of paths) fs.writeFileSync(path, Buffer.alloc(4096, "x"));
const rounds = Math.floor(n / 64);

async function reads(path) {
  for (let i = 0; i < rounds; i++) {
    if ((await fs.promises.readFile(path)).length !== 4096) throw new Error("short read");
  }
}

(async () => {
  const began = process.hrtime.bigint();
  await Promise.all(paths.map(reads));
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  console.log(`per_s ${((rounds * 64) / seconds).toFixed(1)}`);
})();
