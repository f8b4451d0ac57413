// What JavaScript programs do much of: calls, objects, arrays, closures, classes, strings, regular expressions, JSON,
// big integers. Prints results only, so that every engine's output can be compared with the native one's.

function fib(n) {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

function primesBelow(limit) {
  const composite = new Uint8Array(limit);
  let count = 0;
  for (let i = 2; i < limit; i++) {
    if (composite[i]) continue;
    count++;
    for (let j = i * i; j < limit; j += i) composite[j] = 1;
  }
  return count;
}

let seed = 42;
function random(below) {
  seed = (seed * 1103515245 + 12345) % 2147483648;
  return seed % below;
}

function sortedRecords(count) {
  const records = Array.from({ length: count }, (_, id) => ({ id, key: random(1000000).toString(36) }));
  records.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.id - b.id));
  const byLength = new Map();
  for (const { key } of records) byLength.set(key.length, (byLength.get(key.length) ?? 0) + 1);
  return [records[0].key, records.at(-1).key, [...byLength].join(" ")].join(" ");
}

class Account {
  #balance = 0;
  count = 0;
  deposit(amount) {
    this.#balance += amount;
    this.count++;
  }
  get balance() {
    return this.#balance;
  }
}

function methods(rounds) {
  const account = new Account();
  for (let i = 0; i < rounds; i++) account.deposit(i % 7);
  return `${account.balance} ${account.count}`;
}

function textRoundTrip(count) {
  const text = Array.from({ length: count }, (_, i) => `${i}:${(i * 0.5).toFixed(1)}`).join(",");
  let sum = 0;
  for (const [, key, value] of text.matchAll(/(\d+):([\d.]+)/g)) sum += Number(key) + Number(value);
  return `${text.length} ${sum} ${text.replaceAll(/5/g, "five").length}`;
}

function jsonRoundTrip(rounds) {
  const rows = Array.from({ length: 300 }, (_, id) => ({ id, name: `row ${id} \u00fc\n`, tags: [id % 3, id / 7] }));
  let text = JSON.stringify(rows);
  for (let i = 1; i < rounds; i++) text = JSON.stringify(JSON.parse(text));
  return text.length;
}

function factorial(n) {
  let product = 1n;
  for (let i = 2n; i <= n; i++) product *= i;
  return product % (2n ** 89n - 1n);
}

function spectralNorm(n) {
  const entry = (i, j) => 1 / (((i + j) * (i + j + 1)) / 2 + i + 1);
  let u = new Array(n).fill(1);
  for (let round = 0; round < 3; round++)
    u = u.map((_, i) => u.reduce((sum, value, j) => sum + entry(i, j) * value, 0));
  return u[0].toFixed(6);
}

console.log("fib", fib(25));
console.log("primes", primesBelow(300000));
console.log("sort", sortedRecords(12000));
console.log("methods", methods(300000));
console.log("text", textRoundTrip(8000));
console.log("json", jsonRoundTrip(12));
console.log("factorial", factorial(800n));
console.log("spectral", spectralNorm(160));
