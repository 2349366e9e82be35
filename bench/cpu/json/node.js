// json on Node: a document decoded and encoded again and again. Arguments: times, document.
const fs = require("fs");
const { time } = require("../../lib/measure.js");
const n = Number(process.argv[2]);
const text = fs.readFileSync(`build/bench/json/${process.argv[3]}.json`, "utf8");
const rate = (bytes, ns) => ((bytes * n * 1000) / ns).toFixed(2);

let value = JSON.parse(text);
const decoding = time(() => {
  for (let i = 0; i < n; i++) value = JSON.parse(text);
});
console.log(`decode ${rate(Buffer.byteLength(text), decoding)}`);

let out = JSON.stringify(value);
const encoding = time(() => {
  for (let i = 0; i < n; i++) out = JSON.stringify(value);
});
console.log(`encode ${rate(Buffer.byteLength(out), encoding)}`);
