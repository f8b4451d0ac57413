;; SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
;; What TeaVM's modules import from the browser, as far as a program needs that only prints: its memory, a console on
;; WASI's standard output, and JavaScript values that nothing looks into. The module is given under each of the names.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (type $chars (array (mut i16)))
  (memory (export "memory") 33 32768)

  ;; teavmMemory
  (global (export "heapOffset") i32 (i32.const 1024))
  (global (export "maxSize") i32 (i32.const 1048576))
  (func (export "notifyHeapResized"))

  ;; teavmConsole
  (func (export "putcharStdout") (param $char i32)
    (i32.store8 (i32.const 0) (local.get $char))
    (i32.store (i32.const 8) (i32.const 0))
    (i32.store (i32.const 12) (i32.const 1))
    (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16))))

  ;; teavmMath
  (func (export "sqrt") (param f64) (result f64) (f64.sqrt (local.get 0)))

  ;; teavmJso and wasm:js-string: some value that is not null
  (func $something (result (ref extern)) (extern.convert_any (ref.i31 (i32.const 1))))
  (func (export "createFunction1") (param externref externref) (result (ref extern)) (call $something))
  (func (export "fromCharCode") (param i32) (result (ref extern)) (call $something))
  (func (export "fromCharCodeArray") (param (ref null $chars) i32 i32) (result (ref extern)) (call $something))
  (func (export "concat") (param externref externref) (result (ref extern)) (call $something))
  (func (export "substring") (param externref i32 i32) (result (ref extern)) (call $something)))
