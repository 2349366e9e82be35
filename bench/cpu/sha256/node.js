// sha256 on Node, by WebCrypto on its threads: strings of 1 MiB, and how late a 1 ms timer is meanwhile.
const { subtle } = require("crypto").webcrypto;
const n = Number(process.argv[2]);
const data = Buffer.alloc(1 << 20, "0123456789abcdef");
const ms = () => Number(process.hrtime.bigint()) / 1e6;

(async () => {
  let late = 0;
  let running = true;
  const watch = async () => {
    while (running) {
      const due = ms() + 1;
      await new Promise((wake) => setTimeout(wake, 1));
      late = Math.max(late, ms() - due);
    }
  };
  let left = n;
  const work = async () => {
    while (left-- > 0) await subtle.digest("SHA-256", data);
  };
  const began = ms();
  const watcher = watch();
  await Promise.all(Array.from({ length: 16 }, work));
  const took = ms() - began;
  running = false;
  await watcher;
  console.log(`gb_s ${((n * data.length) / took / 1e6).toFixed(4)} late_ms ${late.toFixed(3)}`);
})();
