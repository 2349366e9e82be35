// lock on Node, written by hand: 1,000 async functions contend, with an await inside.
const measure = require("../../lib/measure.js");
const { Lock } = require("../../lib/fifo.js");

measure(async (n) => {
  const lock = new Lock();
  const contend = async () => {
    for (let i = 0; i < n / 1000; i++) {
      await lock.acquire();
      await null;
      lock.release();
    }
  };
  await Promise.all(Array.from({ length: 1000 }, contend));
});
