  ;; What a plugin in another language imports, cut down to what the tests call. Stands in the guest in front of its main
  ;; module. The patch versions differ on purpose.
  (import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
  (alias export $error "error" (type $io-error))
  (import "wasi:io/poll@0.2.12" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.ready" (func (param "self" (borrow $pollable)) (result bool)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))
    (export "poll" (func (param "in" (list (borrow $pollable))) (result (list u32))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:io/streams@0.2.3" (instance $streams
    (export "error" (type $io-error' (eq $io-error)))
    (type $stream-error' (variant (case "last-operation-failed" (own $io-error')) (case "closed")))
    (export "stream-error" (type $stream-error (eq $stream-error')))
    (export "input-stream" (type $input-stream (sub resource)))
    (export "output-stream" (type $output-stream (sub resource)))
    (export "pollable" (type $pollable' (eq $pollable)))
    (export "[method]input-stream.blocking-read"
      (func (param "self" (borrow $input-stream)) (param "len" u64) (result (result (list u8) (error $stream-error)))))
    (export "[method]output-stream.check-write"
      (func (param "self" (borrow $output-stream)) (result (result u64 (error $stream-error)))))
    (export "[method]output-stream.blocking-write-and-flush"
      (func (param "self" (borrow $output-stream)) (param "contents" (list u8)) (result (result (error $stream-error)))))
    (export "[method]output-stream.write-zeroes"
      (func (param "self" (borrow $output-stream)) (param "len" u64) (result (result (error $stream-error)))))
    (export "[method]output-stream.subscribe" (func (param "self" (borrow $output-stream)) (result (own $pollable'))))))
  (alias export $streams "input-stream" (type $input-stream))
  (alias export $streams "output-stream" (type $output-stream))
  (import "wasi:cli/stdin@0.2.0" (instance $stdin
    (export "input-stream" (type $stream (eq $input-stream)))
    (export "get-stdin" (func (result (own $stream))))))
  (import "wasi:cli/stdout@0.2.6" (instance $stdout
    (export "output-stream" (type $stream (eq $output-stream)))
    (export "get-stdout" (func (result (own $stream))))))
  (import "wasi:cli/stderr@0.2.0" (instance $stderr
    (export "output-stream" (type $stream (eq $output-stream)))
    (export "get-stderr" (func (result (own $stream))))))
  (import "wasi:cli/environment@0.2.0" (instance $environment
    (export "get-environment" (func (result (list (tuple string string)))))
    (export "get-arguments" (func (result (list string))))
    (export "initial-cwd" (func (result (option string))))))
  (import "wasi:cli/exit@0.2.0" (instance $exit
    (export "exit" (func (param "status" (result))))
    (export "exit-with-code" (func (param "status-code" u8)))))
  (import "wasi:cli/terminal-output@0.2.0" (instance $terminal-output
    (export "terminal-output" (type (sub resource)))))
  (alias export $terminal-output "terminal-output" (type $terminal))
  (import "wasi:cli/terminal-stdout@0.2.0" (instance $terminal-stdout
    (export "terminal-output" (type $terminal' (eq $terminal)))
    (export "get-terminal-stdout" (func (result (option (own $terminal')))))))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $monotonic
    (export "pollable" (type $pollable' (eq $pollable)))
    (export "now" (func (result u64)))
    (export "resolution" (func (result u64)))
    (export "subscribe-instant" (func (param "when" u64) (result (own $pollable'))))
    (export "subscribe-duration" (func (param "when" u64) (result (own $pollable'))))))
  (import "wasi:clocks/wall-clock@0.2.0" (instance $wall
    (type $datetime' (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $datetime')))
    (export "now" (func (result $datetime)))))
  (import "wasi:random/random@0.2.0" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))
    (export "get-random-u64" (func (result u64)))))
  (import "wasi:random/insecure-seed@0.2.0" (instance $insecure-seed
    (export "insecure-seed" (func (result (tuple u64 u64))))))
  (import "wasi:filesystem/types@0.2.6" (instance $files
    (export "output-stream" (type $stream (eq $output-stream)))
    (export "error" (type $io-error' (eq $io-error)))
    (export "descriptor" (type $descriptor (sub resource)))
    (type $error-code' (enum "access" "busy"))
    (export "error-code" (type $error-code (eq $error-code')))
    (export "[method]descriptor.write-via-stream"
      (func (param "self" (borrow $descriptor)) (param "offset" u64)
        (result (result (own $stream) (error $error-code)))))))
  (alias export $files "descriptor" (type $descriptor))
  (import "wasi:filesystem/preopens@0.2.6" (instance $preopens
    (export "descriptor" (type $descriptor' (eq $descriptor)))
    (export "get-directories" (func (result (list (tuple (own $descriptor') string)))))))
  (import "wasi:sockets/network@0.2.0" (instance $network (export "network" (type (sub resource)))))
  (alias export $network "network" (type $net))
  (import "wasi:sockets/instance-network@0.2.0" (instance $instance-network
    (export "network" (type $net' (eq $net)))
    (export "instance-network" (func (result (own $net'))))))

  ;; Lists that come in lie at 65536, the second page.
  (core module $scratch (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536)))
  (core instance $scratch (instantiate $scratch))
  (core func $ready (canon lower (func $poll "[method]pollable.ready")))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $poll-list (canon lower (func $poll "poll")
    (memory (core memory $memory "memory")) (realloc (core func $scratch "realloc"))))
  (core func $read (canon lower (func $streams "[method]input-stream.blocking-read")
    (memory (core memory $memory "memory")) (realloc (core func $scratch "realloc"))))
  (core func $check-write (canon lower (func $streams "[method]output-stream.check-write")
    (memory (core memory $memory "memory"))))
  (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush")
    (memory (core memory $memory "memory"))))
  (core func $write-zeroes (canon lower (func $streams "[method]output-stream.write-zeroes")
    (memory (core memory $memory "memory"))))
  (core func $subscribe (canon lower (func $streams "[method]output-stream.subscribe")))
  (core func $get-stdin (canon lower (func $stdin "get-stdin")))
  (core func $get-stdout (canon lower (func $stdout "get-stdout")))
  (core func $get-stderr (canon lower (func $stderr "get-stderr")))
  (core func $get-environment (canon lower (func $environment "get-environment")
    (memory (core memory $memory "memory")) (realloc (core func $scratch "realloc"))))
  (core func $initial-cwd (canon lower (func $environment "initial-cwd")
    (memory (core memory $memory "memory")) (realloc (core func $scratch "realloc"))))
  (core func $exit' (canon lower (func $exit "exit")))
  (core func $exit-with-code (canon lower (func $exit "exit-with-code")))
  (core func $get-terminal (canon lower (func $terminal-stdout "get-terminal-stdout")
    (memory (core memory $memory "memory"))))
  (core func $now (canon lower (func $monotonic "now")))
  (core func $subscribe-duration (canon lower (func $monotonic "subscribe-duration")))
  (core func $subscribe-instant (canon lower (func $monotonic "subscribe-instant")))
  (core func $wall-now (canon lower (func $wall "now") (memory (core memory $memory "memory"))))
  (core func $random-bytes (canon lower (func $random "get-random-bytes")
    (memory (core memory $memory "memory")) (realloc (core func $scratch "realloc"))))
  (core func $random-u64 (canon lower (func $random "get-random-u64")))
  (core func $seed (canon lower (func $insecure-seed "insecure-seed") (memory (core memory $memory "memory"))))
  (core func $get-directories (canon lower (func $preopens "get-directories")
    (memory (core memory $memory "memory")) (realloc (core func $scratch "realloc"))))
  (core func $instance-network (canon lower (func $instance-network "instance-network")))
  (core instance $wasi
    (export "ready" (func $ready)) (export "block" (func $block)) (export "poll" (func $poll-list))
    (export "read" (func $read)) (export "check-write" (func $check-write)) (export "write" (func $write))
    (export "write-zeroes" (func $write-zeroes)) (export "subscribe" (func $subscribe))
    (export "get-stdin" (func $get-stdin)) (export "get-stdout" (func $get-stdout))
    (export "get-stderr" (func $get-stderr)) (export "get-environment" (func $get-environment))
    (export "initial-cwd" (func $initial-cwd)) (export "exit" (func $exit'))
    (export "exit-with-code" (func $exit-with-code)) (export "get-terminal" (func $get-terminal))
    (export "now" (func $now)) (export "subscribe-duration" (func $subscribe-duration))
    (export "subscribe-instant" (func $subscribe-instant)) (export "wall-now" (func $wall-now))
    (export "random-bytes" (func $random-bytes)) (export "random-u64" (func $random-u64)) (export "seed" (func $seed))
    (export "get-directories" (func $get-directories)) (export "instance-network" (func $instance-network)))
