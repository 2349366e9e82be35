// sleepers on Node: so many async functions asleep at once (promises and timers, not stacks).
const fs = require("fs");
const n = Number(process.argv[2]);
const ms = 500 + n / 200;
const resident = () => Number(fs.readFileSync("/proc/self/statm", "utf8").split(" ")[1]) * 4096;
const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
};

async function sleeper() {
  await new Promise((wake) => setTimeout(wake, ms));
}

(async () => {
  const before = resident();
  let began = cpu();
  const all = [];
  for (let i = 0; i < n; i++) all.push(sleeper());
  await null;
  const made = cpu();
  console.log(`bytes ${((resident() - before) / n).toFixed(1)} create_ns ${((made - began) / n).toFixed(2)}`);
  began = cpu();
  for (const one of all) await one;
  console.log(`wake_ns ${((cpu() - began) / n).toFixed(2)}`);
})();
