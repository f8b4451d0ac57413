// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The Node.js package: numbers in both directions, errors, limits, memory, nesting, what JavaScript gets wrong.
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const cay = require(process.env.CAY_NODE_PACKAGE);

// The module of tests/embed/calls.c.
const FAST = Buffer.from(
    'AGFzbQEAAAABHAVgBH9+fXwBfGABfwF/YAJ/fwF+YAF9AX1gAAACGQIEaG9zdANtaXgAAARob3N0BWFnYWluAAEDCgkAAgMBBAQBAQEEBQFw' +
    'AQEBBQMBAAEGBwF/AUGACAsHSQoGbWVtb3J5AgADbWl4AAIEd2lkZQADBGhhbGYABARuZXN0AAUFY3Jhc2gABgRzcGluAAcEZ3JvdwAIBGRl' +
    'ZXAACQRsb2FkAAoKewkQACAAIAEgAiADEICAgIAACwkAIACsIAGtfQsKACAAQwAAAD+UCxcAAkAgAA0AQQAPCyAAEIGAgIAAQQFqCwMAAAsH' +
    'AANADAALCwYAIABAAAsgAQF/AkAgAA0AQQAPCyAAQX9qEImAgIAAIQEgASAAagsHACAAKAIACw==',
    'base64');

const module_ = new cay.Module(FAST);
let nested = null;
const imports = {
  host: {
    mix: {params: ['i32', 'i64', 'f32', 'f64'], results: ['f64'],
          call: (a, b, c, d) => { assert.strictEqual(typeof b, 'bigint'); return a + Number(b) + c + d; }},
    again: {params: ['i32'], results: ['i32'], call: (depth) => nested.exports.nest(depth - 1)},
  },
};
const make = (more = {}) => new cay.Instance(module_, {imports, ...more});

const tests = {
  numbers() {
    const instance = make();
    assert.strictEqual(instance.exports.mix(1, 2n, 0.5, 4), 7.5);
    assert.strictEqual(instance.exports.wide(-1, -1), -1n - 4294967295n);
    assert.strictEqual(instance.exports.half(-3), -1.5);
    assert.strictEqual(instance.exports.crash.length, 0);
  },
  nesting() {
    nested = make();
    assert.strictEqual(nested.exports.nest(20), 20);
  },
  traps() {
    const instance = make();
    assert.throws(() => instance.exports.crash(), (error) => error instanceof cay.Trap && /unreachable/.test(error.message) &&
        /  0: /.test(error.backtrace));
    assert.throws(() => instance.exports.load(-4), cay.Trap);
    assert.throws(() => instance.exports.deep(100000000), /call stack exhausted/);
    assert.strictEqual(instance.exports.load(0), 0);
  },
  thrown() {
    const own = new RangeError('mine');
    const throwing = {host: {...imports.host, mix: {...imports.host.mix, call: () => { throw own; }}}};
    const instance = make({imports: throwing});
    assert.throws(() => instance.exports.mix(1, 2n, 3, 4), (error) => error === own);
    const wrong = {host: {...imports.host, mix: {...imports.host.mix, call: () => 'text'}}};
    assert.throws(() => make({imports: wrong}).exports.mix(1, 2n, 3, 4), TypeError);
  },
  limits() {
    const instance = make({memory: 2 << 16, time: 20}); // two pages, and the table besides
    assert.strictEqual(instance.exports.grow(1), 1);
    assert.strictEqual(instance.exports.grow(1), -1);
    assert.throws(() => instance.exports.spin(), cay.Limit);
    assert.throws(() => make({cpu: 3}).exports.spin(), cay.Limit);
    assert.throws(() => make({memory: 1000}), cay.Limit);
    for (const wrong of [NaN, -1, Infinity]) assert.throws(() => make({time: wrong}), /limits are expected/);
  },
  budgets() {
    const instance = make({budget: 2});
    for (let i = 0; i < 5; i++) {
      assert.throws(() => instance.exports.spin(), (error) => error instanceof cay.Limit && /budget of 2 ms/.test(error.message));
      assert.strictEqual(instance.exports.half(4), 2); // each call has its own
    }
    const both = make({budget: 2, cpu: 5});
    assert.throws(() => { for (;;) assert.throws(() => both.exports.spin(), /budget/); }, /CPU time limit of 0.005 s/);
  },
  memory() {
    const instance = make();
    const {memory} = instance;
    assert.strictEqual(memory.length, 65536);
    memory.write(8, Buffer.from([1, 0, 0, 0]));
    assert.strictEqual(instance.exports.load(8), 1);
    const copy = memory.read(8, 4);
    copy[0] = 9;
    assert.strictEqual(instance.exports.load(8), 1);
    for (const [at, count] of [[65536, 1], [65535, 2], [-1, 1], [0, 65537], [1e300, 1], [NaN, 1]])
      assert.throws(() => memory.read(at, count));
    assert.throws(() => memory.write(65533, Buffer.alloc(4)), RangeError);
    assert.strictEqual(memory.read(65536, 0).length, 0);
  },
  misuse() {
    const instance = make();
    assert.throws(() => instance.exports.none(), /exports no function "none"/);
    assert.throws(() => instance.exports.load(), /arguments/);
    assert.throws(() => instance.exports.load(1, 2), /arguments/);
    assert.throws(() => instance.exports.load('1'), /arguments/);
    assert.throws(() => instance.exports.mix(1, 2, 3, 4), /arguments/); // an i64 is a BigInt
    assert.throws(() => new cay.Module(Buffer.from('nonsense')), cay.CayError);
    assert.throws(() => new cay.Module('text'), /Uint8Array/);
    assert.throws(() => new cay.Module(FAST, {tier: 'none'}), /tier/);
    assert.throws(() => new cay.Instance(module_, {}), /host/);
    assert.throws(() => make({imports: {host: {mix: {params: ['v128'], call: () => 0}}}}), /i32/);
    instance.close();
    instance.close();
    assert.throws(() => instance.exports.load(0), /closed/);
    assert.throws(() => instance.memory.length, /closed/);
  },
  closed_while_running() {
    const instance = new cay.Instance(module_, {imports: {host: {...imports.host, again: {...imports.host.again,
        call: () => { assert.throws(() => instance.close(), /running/); return 1; }}}}});
    assert.strictEqual(instance.exports.nest(1), 2);
  },
  tiers() {
    for (const tier of ['interp', '']) assert.strictEqual(new cay.Instance(new cay.Module(FAST, {tier}), {imports}).exports.half(4), 2);
  },
  code_is_kept() {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cay-')), cache = path.join(folder, 'code');
    cay.setHelperFolder(process.env.CAY_HELPER_FOLDER || '');
    try {
      for (let i = 0; i < 2; i++) {
        const instance = new cay.Instance(new cay.Module(FAST, {tier: 'optimized', cache}), {imports});
        assert.strictEqual(instance.exports.half(4), 2);
        instance.close();
      }
      const helper = fs.existsSync(path.join(process.env.CAY_HELPER_FOLDER || '', 'cay-llvm'));
      assert.strictEqual(fs.readdirSync(cache).filter(name => name.endsWith('.code')).length, helper ? 1 : 0);
      fs.chmodSync(cache, 0o755);
      assert.throws(() => new cay.Module(FAST, {tier: 'auto', cache}), /not trusted/);
    } catch (error) {
      if (error.code !== 'unsupported' && !/there is no tier/.test(error.message)) throw error; // the build has no such tier
    } finally {
      fs.rmSync(folder, {recursive: true});
    }
  },
  many() {
    for (let i = 0; i < 2000; i++) make().exports.half(1);
  },
};

for (const [name, test] of Object.entries(tests)) {
  test();
  console.log(`ok ${name}`);
}
assert.match(cay.version, /^\d+\.\d+\.\d+$/);
