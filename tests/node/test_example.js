// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// examples/node/plugin.js prints what it should.
'use strict';
const assert = require('node:assert');
const {execFileSync} = require('node:child_process');
const path = require('node:path');

const printed = execFileSync(process.execPath, [path.join(__dirname, '../../examples/node/plugin.js')], {encoding: 'utf8'});
assert.strictEqual(printed, `rot13: Hello, world!
invert: fffe7f00
hang: Limit: the call's budget of 1 ms is used up
hoard: Trap: unreachable instruction executed
`);
