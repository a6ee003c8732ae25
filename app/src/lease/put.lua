-- Takes or renews a lease. What changes at each heartbeat (hash, lease end) is apart from what routers are told of
-- by push (index, epoch): these are touched on join and when draining changes, the epoch on join only.
-- KEYS: server (HASH), index (SET), leases (ZSET id -> end in ms), epoch (counter)
-- ARGV: id, lease in ms, draining, then field, value, ...
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local before = redis.call('HGET', KEYS[1], 'draining')
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'draining', ARGV[3], unpack(ARGV, 4))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[3], now_ms + ARGV[2], ARGV[1])
local joins = not before or redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 0
if joins or before ~= ARGV[3] then
  -- Adding a member that is there already would push nothing.
  redis.call('SREM', KEYS[2], ARGV[1])
  redis.call('SADD', KEYS[2], ARGV[1])
end
if joins then
  redis.call('INCR', KEYS[4])
end
return redis.status_reply('OK')
