// Times a piece of work on Node, after a warm-up, and prints "ns N": processor time, or the wall's where that is less
// (the collector and the compiler use other threads).
module.exports = async function measure(work, count = Number(process.argv[2])) {
  await work(Math.ceil(count / 10));
  const cpu = process.cpuUsage();
  const wall = process.hrtime.bigint();
  await work(count);
  const wallNs = Number(process.hrtime.bigint() - wall);
  const used = process.cpuUsage(cpu);
  const cpuNs = (used.user + used.system) * 1000;
  console.log(`ns ${(Math.min(wallNs, cpuNs) / count).toFixed(2)}`);
};
