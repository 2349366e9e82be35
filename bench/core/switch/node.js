// switch on Node: 100 async functions that await nothing (a microtask, without a poll).
const measure = require("../../lib/measure.js");

measure(async (n) => {
  const turns = async () => {
    for (let i = 0; i < n / 100; i++) await null;
  };
  await Promise.all(Array.from({ length: 100 }, turns));
});
