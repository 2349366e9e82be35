// channel of 100 on Node, written by hand: one function sends, one receives.
const measure = require("../../lib/measure.js");
const { Channel } = require("../../lib/fifo.js");

measure(async (n) => {
  const channel = new Channel(100);
  const send = async () => {
    for (let i = 0; i < n; i++) await channel.send(i);
  };
  const sender = send();
  let sum = 0;
  for (let i = 0; i < n; i++) sum += await channel.recv();
  await sender;
  if (sum !== (n * (n - 1)) / 2) throw new Error("wrong sum");
});
