// Times work on Node: processor time, or the wall's where that is less (the collector and the compiler use other
// threads).
const clocks = () => ({ cpu: process.cpuUsage(), wall: process.hrtime.bigint() });

function since(began) {
  const wall = Number(process.hrtime.bigint() - began.wall);
  const used = process.cpuUsage(began.cpu);
  return Math.min(wall, (used.user + used.system) * 1000);
}

// Nanoseconds of work().
function time(work) {
  const began = clocks();
  work();
  return since(began);
}

// Prints "ns N" for each of the operations that the first argument of the program counts, after a warm-up.
async function measure(work, count = Number(process.argv[2])) {
  await work(Math.ceil(count / 10));
  const began = clocks();
  await work(count);
  console.log(`ns ${(since(began) / count).toFixed(2)}`);
}

module.exports = measure;
module.exports.time = time;
