// gather of 10,000 on Node as in node.js, but each lets the loop poll, as a yield of rille's does.
const measure = require("../../lib/measure.js");
const width = 10000;
const functions = Array.from({ length: width }, (_, i) => async () => {
  await new Promise(setImmediate);
  return i;
});

measure(async (n) => {
  for (let i = 0; i < n; i += width) {
    const values = await Promise.all(functions.map((f) => f()));
    if (values[width - 1] !== width - 1) throw new Error("wrong values");
  }
});
