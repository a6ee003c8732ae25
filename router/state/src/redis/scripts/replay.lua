-- Puts the alert of a dead letter back among the deliveries. Returns 1 if nobody was faster.
-- KEYS: dead letters (STREAM), alerts (STREAM), epoch (counter), log (STREAM)
-- ARGV: entry, record, about the most alerts kept, then field, value, ... of the alert
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', unpack(ARGV, 4))
append_to_log(KEYS[4], ARGV[2])
redis.call('INCR', KEYS[3])
return 1
