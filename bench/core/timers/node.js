// timers on Node: async functions that sleep five times for 1 to 100 ms.
const n = Number(process.argv[2]);
let seed = 7;
const random = () => (seed = (seed * 48271) % 2147483647);
const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));

async function sleeper() {
  for (let i = 0; i < 5; i++) await sleep(1 + (random() % 100));
}

(async () => {
  const began = process.cpuUsage();
  await Promise.all(Array.from({ length: n }, sleeper));
  const used = process.cpuUsage(began);
  console.log(`ns ${(((used.user + used.system) * 1000) / n / 5).toFixed(2)}`);
})();
