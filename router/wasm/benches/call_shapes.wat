;; One export per shape of a hot call. Each reads the lengths of what it was passed and nothing else, so that the price
;; of the shape is all there is.
(component
  (core module $main
    (memory (export "memory") 2)
    (global $next (mut i32) (i32.const 4096))
    (func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $bytes i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get $bytes)))
      (local.get $at))
    (func $recover (global.set $next (i32.const 4096)))

    (func (export "three-strings") (param i32 i32 i32 i32 i32 i32) (result i64)
      (call $recover)
      (i64.extend_i32_u (i32.add (local.get 1) (i32.add (local.get 3) (local.get 5)))))

    ;; Walks the packed fields and adds up their lengths.
    (func $walk (param $at i32) (param $length i32) (result i64)
      (local $sum i32) (local $field i32) (local $end i32)
      (local.set $end (i32.add (local.get $at) (local.get $length)))
      (block $done (loop $again
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $field (i32.load align=1 (local.get $at)))
        (local.set $sum (i32.add (local.get $sum) (local.get $field)))
        (local.set $at (i32.add (i32.const 4) (i32.add (local.get $at) (local.get $field))))
        (br $again)))
      (i64.extend_i32_u (local.get $sum)))
    (func (export "blob") (param $at i32) (param $length i32) (param i64 i64) (result i64)
      (call $recover)
      (call $walk (local.get $at) (local.get $length)))
    (func (export "blob-pair") (param $at i32) (param $length i32) (param i64 i64) (result i32)
      (call $recover)
      (i64.store (i32.const 1024) (call $walk (local.get $at) (local.get $length)))
      (i32.const 1024))

    ;; A list of (name, value): adds up the lengths of the values.
    (func (export "record") (param $list i32) (param $count i32) (param i64 i64) (result i64)
      (local $sum i32) (local $end i32)
      (call $recover)
      (local.set $end (i32.add (local.get $list) (i32.mul (local.get $count) (i32.const 16))))
      (block $done (loop $again
        (br_if $done (i32.ge_u (local.get $list) (local.get $end)))
        (local.set $sum (i32.add (local.get $sum) (i32.load offset=12 (local.get $list))))
        (local.set $list (i32.add (local.get $list) (i32.const 16)))
        (br $again)))
      (i64.extend_i32_u (local.get $sum))))
  (core instance $main (instantiate $main))

  (type $request' (record (field "fields" (list (tuple string string))) (field "now-ms" u64) (field "random" u64)))
  (export $request "request" (type $request'))
  (func (export "three-strings") (param "a" string) (param "b" string) (param "c" string) (result u64)
    (canon lift (core func $main "three-strings")
      (memory (core memory $main "memory")) (realloc (core func $main "cabi_realloc"))))
  (func (export "blob") (param "fields" (list u8)) (param "now-ms" u64) (param "random" u64) (result u64)
    (canon lift (core func $main "blob")
      (memory (core memory $main "memory")) (realloc (core func $main "cabi_realloc"))))
  (func (export "blob-pair") (param "fields" (list u8)) (param "now-ms" u64) (param "random" u64)
    (result (tuple u64 u64))
    (canon lift (core func $main "blob-pair")
      (memory (core memory $main "memory")) (realloc (core func $main "cabi_realloc"))))
  (func (export "record") (param "request" $request) (result u64)
    (canon lift (core func $main "record")
      (memory (core memory $main "memory")) (realloc (core func $main "cabi_realloc")))))
