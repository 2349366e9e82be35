// json on Node: a document decoded and encoded again and again. Arguments: times, document.
const fs = require("fs");
const n = Number(process.argv[2]);
const text = fs.readFileSync(`build/bench/json/${process.argv[3]}.json`, "utf8");
const seconds = () => Number(process.hrtime.bigint()) / 1e9;
const size = Buffer.byteLength(text);

let value = JSON.parse(text);
let began = seconds();
for (let i = 0; i < n; i++) value = JSON.parse(text);
console.log(`decode ${((n * size) / (seconds() - began) / 1e6).toFixed(2)}`);

let out = JSON.stringify(value);
const outSize = Buffer.byteLength(out);
began = seconds();
for (let i = 0; i < n; i++) out = JSON.stringify(value);
console.log(`encode ${((n * outSize) / (seconds() - began) / 1e6).toFixed(2)}`);
