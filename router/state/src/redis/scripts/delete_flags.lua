-- Removes a set of flag definitions. Returns 1 if there was one.
-- KEYS: set (STRING), versions (HASH), counter (STRING), epoch (counter), log (STREAM)
-- ARGV: name, record
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' then
  return 0
end
local old = kind == 'string' and redis.call('GET', KEYS[1])
redis.call('INCR', KEYS[3])
redis.call('DEL', KEYS[1])
redis.call('HDEL', KEYS[2], ARGV[1])
append_to_log(KEYS[5], ARGV[2], old)
raise_epoch(KEYS[4])
return 1
