// generator: steps of a JavaScript generator.
const measure = require("../../lib/measure.js");

function* count(last) {
  for (let i = 1; i <= last; i++) yield i;
}

measure(async (n) => {
  let sum = 0;
  for (const i of count(n)) sum += i;
  if (sum !== (n * (n + 1)) / 2) throw new Error("wrong sum");
});
