// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs a module in V8: an exported function with one number, or a WASI 0.1 command.
//
//   node FLAGS node_run.mjs --invoke NAME FILE N
//   node FLAGS node_run.mjs [--dir HOST::GUEST] FILE ARGUMENT...
//
// The last line of its output is "cpu_us N": the processor time, of all threads, from the module's instantiation to its
// end. The start of node and the compilation of the module, which the flags make eager, are before that.
import fs from "node:fs";
import { basename } from "node:path";
import { WASI } from "node:wasi";

const words = process.argv.slice(2);
const preopens = {};
let invoke = null;
while (words[0]?.startsWith("--")) {
  const option = words.shift();
  const value = words.shift();
  if (option === "--invoke") {
    invoke = value;
  } else if (option === "--dir") {
    const [host, guest] = value.split("::");
    preopens[guest] = host;
  } else {
    console.error(`node_run: there is no option ${option}`);
    process.exit(2);
  }
}

const [file, ...args] = words;
const module = new WebAssembly.Module(fs.readFileSync(file));
const wasi = new WASI({ version: "preview1", args: [basename(file), ...args], preopens, returnOnExit: true });
const before = process.cpuUsage();
const instance = new WebAssembly.Instance(module, invoke ? {} : wasi.getImportObject());
const status = invoke ? 0 : wasi.start(instance);
const result = invoke ? `${instance.exports[invoke](Number(args[0]))}\n` : "";
const spent = process.cpuUsage(before);
fs.writeSync(1, `${result}cpu_us ${spent.user + spent.system}\n`);
process.exitCode = status;
