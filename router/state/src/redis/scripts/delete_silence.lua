-- Ends a silence. Returns 1 if there was one.
-- KEYS: silences (HASH), epoch (counter), log (STREAM)
-- ARGV: id, record
local old = redis.call('HGET', KEYS[1], ARGV[1])
if not old then
  return 0
end
redis.call('HDEL', KEYS[1], ARGV[1])
append_to_log(KEYS[3], ARGV[2], old)
raise_epoch(KEYS[2])
return 1
