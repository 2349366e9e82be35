// switch on Node as in node.js, but each lets the loop poll, as a yield of rille's does.
const measure = require("../../lib/measure.js");

measure(async (n) => {
  const turns = async () => {
    for (let i = 0; i < n / 100; i++) await new Promise(setImmediate);
  };
  await Promise.all(Array.from({ length: 100 }, turns));
});
