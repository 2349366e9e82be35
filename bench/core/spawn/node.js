// spawn and join on Node: async functions that await nothing once, in waves.
const measure = require("../../lib/measure.js");
const wave = Number(process.argv[3] || 1000);

const once = async () => {
  await null;
};

measure(async (n) => {
  for (let i = 0; i < n; i += wave) {
    const all = [];
    for (let k = 0; k < wave; k++) all.push(once());
    for (const one of all) await one;
  }
});
