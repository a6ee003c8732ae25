-- Gives a lease back. Returns 1 if there was one.
-- KEYS: server (HASH), index (SET), leases (ZSET), epoch (counter)
-- ARGV: id
redis.call('DEL', KEYS[1])
local listed = redis.call('ZREM', KEYS[3], ARGV[1]) + redis.call('SREM', KEYS[2], ARGV[1])
if listed == 0 then
  return 0
end
if redis.call('EXISTS', KEYS[4]) == 1 then
  redis.call('INCR', KEYS[4])
end
return 1
