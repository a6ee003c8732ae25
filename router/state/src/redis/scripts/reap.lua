-- Removes leases that are over. Returns how many; any router may call it, any number of times.
-- KEYS: leases (ZSET), index (SET), epoch (counter)
-- ARGV: most to remove at once
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local over = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms, 'LIMIT', 0, ARGV[1])
if #over == 0 then
  return 0
end
redis.call('ZREM', KEYS[1], unpack(over))
redis.call('SREM', KEYS[2], unpack(over))
if redis.call('EXISTS', KEYS[3]) == 1 then
  redis.call('INCR', KEYS[3])
end
return #over
