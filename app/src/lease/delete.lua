-- Gives a lease back.
-- KEYS: server (HASH), index (SET), leases (ZSET), epoch (counter)
-- ARGV: id
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('SREM', KEYS[2], ARGV[1]) == 1 and redis.call('EXISTS', KEYS[4]) == 1 then
  redis.call('INCR', KEYS[4])
end
return redis.status_reply('OK')
