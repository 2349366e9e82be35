// spawn and join on Node as in node.js, but each lets the loop poll, as a yield of rille's does.
const measure = require("../../lib/measure.js");
const wave = Number(process.argv[3] || 1000);

const once = async () => {
  await new Promise(setImmediate);
};

measure(async (n) => {
  for (let i = 0; i < n; i += wave) {
    const all = [];
    for (let k = 0; k < wave; k++) all.push(once());
    for (const one of all) await one;
  }
});
