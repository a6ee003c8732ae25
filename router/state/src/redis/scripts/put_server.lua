-- Takes or renews a lease. Returns 1 if it joined or changed what routing reads, else 0.
-- The index is touched only then: a heartbeat must not be pushed to every router.
-- KEYS: server (HASH), index (SET), leases (ZSET id -> end in ms), epoch (counter)
-- ARGV: id, lease in ms, most servers, then field, value, ...
local names = { 'addr', 'app', 'variant', 'roles', 'release', 'draining', 'started_ms' }
local joins = redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 0
if joins and redis.call('SCARD', KEYS[2]) >= tonumber(ARGV[3]) then
  return redis.error_reply('FULL too many servers')
end
local before = redis.call('HMGET', KEYS[1], unpack(names))
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[3], now_ms + ARGV[2], ARGV[1])
local moved = joins
for i, value in ipairs(redis.call('HMGET', KEYS[1], unpack(names))) do
  moved = moved or value ~= before[i]
end
if not moved then
  return 0
end
-- Adding a member that is there already would push nothing.
redis.call('SREM', KEYS[2], ARGV[1])
redis.call('SADD', KEYS[2], ARGV[1])
-- Never created here: a store without an epoch has lost its data, and must keep looking like that.
if redis.call('EXISTS', KEYS[4]) == 1 then
  redis.call('INCR', KEYS[4])
end
return 1
