// worker on Node: messages {id, name, v} to a worker thread and back, 256 under way; what starting one takes.
const { Worker, isMainThread, parentPort } = require("worker_threads");
const n = Number(process.argv[2]);

async function startOne() {
  const began = process.hrtime.bigint();
  const worker = new Worker("0", { eval: true });
  await new Promise((ended) => worker.on("exit", ended));
  return Number(process.hrtime.bigint() - began) / 1e3;
}

if (isMainThread) {
  const worker = new Worker(__filename, { argv: [] });
  let sent = 0;
  let received = 0;
  let began;
  const send = () => {
    sent++;
    worker.postMessage({ id: sent, name: "message", v: sent * 0.5 });
  };
  worker.on("message", async () => {
    if (!began) {
      began = process.hrtime.bigint();
      while (sent < 256) send();
      return;
    }
    received++;
    if (sent < n) send();
    if (received < n) return;
    console.log(`us ${(Number(process.hrtime.bigint() - began) / n / 1e3).toFixed(4)}`);
    await worker.terminate();
    let total = 0;
    for (let i = 0; i < 10; i++) total += await startOne();
    console.log(`start_us ${(total / 10).toFixed(2)}`);
  });
} else {
  parentPort.on("message", (message) => parentPort.postMessage(message));
  parentPort.postMessage("ready");
}
