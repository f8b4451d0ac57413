// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A host of filters that it does not trust, of texts and of images: each may use 64 KiB of memory, and each call of it compute for a
// millisecond. The module is the one of examples/embed/filters.c, which says what is in it.
'use strict';
const cay = require(process.env.CAY_NODE_PACKAGE || 'cay');

const FILTERS = Buffer.from(
    'AGFzbQEAAAABDANgAABgAAF/YAF/AAMHBgABAgICAgQFAXABAQEFAwEAAQYHAX8BQYAICwc9BwZtZW1vcnkCAAdwcmVwYXJlAAAGYnVmZmVy' +
    'AAEFcm90MTMAAgZpbnZlcnQAAwRoYW5nAAQFaG9hcmQABQrrAQZUAQJ/QQAhAANAIAAhAQJAIABBIHJBn39qQRlLDQAgAEH/AXFBDEFyIABB' +
    'H3FBDkkbakEBaiEBCyAAQYCIgIAAaiABOgAAIABBAWoiAEGAAkcNAAsLCABBgIqAgAALOwECfwJAIABBAUgNAEEAIQEDQCABQYCKgIAAaiIC' +
    'IAItAAAtAICIgIAAOgAAIAAgAUEBaiIBRw0ACwsLNwECfwJAIABBAUgNAEEAIQEDQCABQYCKgIAAaiICIAItAABBf3M6AAAgACABQQFqIgFH' +
    'DQALCwsHAANADAALCw8AA0BBAUAAQX9HDQALAAs=',
    'base64');
const module_ = new cay.Module(FILTERS);

// `bytes` as the filter makes them. An instance for each request: what one does is nothing that the next one sees.
function apply(filter, bytes) {
  const instance = new cay.Instance(module_, {memory: 64 << 10, budget: 1});
  try {
    instance.exports.prepare();
    const at = instance.exports.buffer(); // an address that the guest made up: read and write check it
    instance.memory.write(at, bytes);
    instance.exports[filter](bytes.length);
    return instance.memory.read(at, bytes.length);
  } catch (error) {
    return `${error.name}: ${error.message}`;
  } finally {
    instance.close();
  }
}

console.log('rot13:', apply('rot13', Buffer.from('Uryyb, jbeyq!')).toString());
console.log('invert:', apply('invert', Buffer.from([0, 1, 128, 255])).toString('hex'));
console.log('hang:', apply('hang', Buffer.from('x')));
console.log('hoard:', apply('hoard', Buffer.from('x')));
