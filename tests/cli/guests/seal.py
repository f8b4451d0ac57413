# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Changes a byte of a bundle: seal.py FILE WHERE CHANGED, where WHERE is one of seal, module, code, manifest, or cuts its
last byte off: seal.py FILE cut CHANGED."""
import struct
import sys
from pathlib import Path

MARK = bytes([180, 248, 51, 218, 132, 25, 136, 122, 218, 165, 163, 237, 211, 129, 15, 73, 90, 96, 81, 169, 178, 65, 233, 213,
              234, 236, 114, 201, 246, 134, 68, 241])
KEPT_HEAD_BYTES = 152

name, where, changed = sys.argv[1:]
content = bytearray(Path(name).read_bytes())
seal = content.index(MARK) + len(MARK)
at, kept_bytes, manifest_bytes = struct.unpack_from('<QQQ', content, seal + 8)
place = {'seal': seal + 16, 'module': at + KEPT_HEAD_BYTES + 100, 'code': at + kept_bytes - 1,
         'manifest': at + kept_bytes, 'cut': len(content)}[where]
if where == 'cut':
    content.pop()
else:
    content[place] ^= 1
Path(changed).write_bytes(content)
Path(changed).chmod(0o755)
