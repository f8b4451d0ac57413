// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// WebAssembly in Node.js with rights and limits, with cay.
//
//   const cay = require('cay');
//   const module = new cay.Module(fs.readFileSync('plugin.wasm'));
//   const instance = new cay.Instance(module, {
//     imports: {host: {log: {params: ['i32'], results: [], call: console.log}}},
//     memory: 1 << 20,                 // bytes, in pages of 64 KiB; tables and the like may take less than a page besides
//     time: 50, budget: 1, cpu: 1000,  // milliseconds: that each call may last, that it may compute, that all may compute
//   });
//   instance.memory.write(0, Buffer.from('hello'));
//   instance.exports.greet(0, 5);
//   instance.close();
//
// An i64 is a BigInt, other numbers are numbers; several results are an array. Memory is read and written in copies. What a
// function of the host throws comes out of the guest's call as it was thrown; what the guest does wrong is a Trap, whose
// `backtrace` has the calls that were running; a limit that is used up is a Limit. Without `imports` a guest can do nothing.
'use strict';

const native = require(process.env.CAY_NODE_ADDON || './cay.node');

class CayError extends Error {
  constructor(cause) {
    super(cause.message);
    this.name = this.constructor.name;
    this.code = cause.code;
    this.backtrace = cause.backtrace || '';
  }
}
class Trap extends CayError {}
class Limit extends CayError {}

// Calls into the addon; its own errors have a `backtrace`, those of functions of the host do not.
function guarded(call) {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof Error) || typeof error.backtrace !== 'string' || error instanceof CayError) throw error;
    if (error.code === 'trap') throw new Trap(error);
    if (error.code === 'limit') throw new Limit(error);
    throw new CayError(error);
  }
}

class Module {
  #native;
  // `tier`: how code is executed, "baseline", "auto", "optimized" or "interp"; by default "baseline" where the build has it.
  // `cache`: a folder where the middle two keep machine code for later processes; true: that of the command `cay`.
  constructor(bytes, {tier = '', cache = ''} = {}) {
    this.#native = guarded(() => native.load(bytes, tier, cache === true ? '-' : cache || ''));
  }
  static native(module) {
    return module.#native;
  }
}
const nativeOf = Module.native;
delete Module.native;

class Memory {
  #instance;
  constructor(instance) {
    this.#instance = instance;
  }
  get length() {
    return native.size(this.#instance);
  }
  read(at, count) {
    return native.read(this.#instance, at, count);
  }
  write(at, bytes) {
    native.write(this.#instance, at, bytes);
  }
}

function listOf(imports) {
  return Object.entries(imports).flatMap(([module, functions]) =>
    Object.entries(functions).map(([name, {params = [], results = [], call}]) => [module, name, params, results, call]));
}

class Instance {
  #native;
  constructor(module, {imports = {}, memory = 0, time = 0, cpu = 0, budget = 0} = {}) {
    this.#native = guarded(() => native.instantiate(nativeOf(module), listOf(imports), memory, time, cpu, budget));
    this.memory = new Memory(this.#native);
    // A property is a function of that name, whether or not there is one: a call of one that is not there throws.
    this.exports = new Proxy({}, {get: (_, name) => (...args) => this.call(String(name), ...args)});
  }
  call(name, ...args) {
    const results = guarded(() => native.call(this.#native, name, args));
    return results.length > 1 ? results : results[0];
  }
  // Frees it now and not when the collector finds it.
  close() {
    native.close(this.#native);
  }
}

// Where cay-llvm is, the helper of the tiers "auto" and "optimized"; before the first module.
module.exports = {Module, Instance, CayError, Trap, Limit, version: native.version(), setHelperFolder: native.setHelperFolder};
