// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Says what it was given, and works a little: strings, the collector, floats.
const words: string[] = [];
for (let i = 0; i < 1000; i++) words.push("word" + i.toString());
let length = 0;
for (let i = 0; i < words.length; i++) length += words[i].length;
let harmonic: f64 = 0;
for (let n = 1; n <= 1000; n++) harmonic += 1.0 / <f64>n;
console.log("hello from AssemblyScript, " + (process.argv.length - 1).toString() + " arguments");
console.log("length " + length.toString() + " harmonic " + harmonic.toString());
process.exit(3);
