-- Takes or renews a lease. What changes at each heartbeat (hash, lease end) is apart from what routers are told of
-- by push (index, epoch): these are touched on join and when draining changes, the epoch on join only.
-- A restart under the same id is a join: routers must hear of its new address.
-- KEYS: server (HASH), index (SET), leases (ZSET id -> end in ms), epoch (counter)
-- ARGV: id, lease in ms, then field, value, ...
local identity = { 'addr', 'app', 'variant', 'started_ms' }
local before = redis.call('HMGET', KEYS[1], unpack(identity))
local drained = redis.call('HGET', KEYS[1], 'draining')
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[3], now_ms + ARGV[2], ARGV[1])

local joins = redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 0
for i, value in ipairs(redis.call('HMGET', KEYS[1], unpack(identity))) do
  joins = joins or value ~= before[i]
end
if joins or redis.call('HGET', KEYS[1], 'draining') ~= drained then
  -- Adding a member that is there already would push nothing.
  redis.call('SREM', KEYS[2], ARGV[1])
  redis.call('SADD', KEYS[2], ARGV[1])
end
-- Never created here: a store without an epoch has lost its data, and must keep looking like that to routers.
if joins and redis.call('EXISTS', KEYS[4]) == 1 then
  redis.call('INCR', KEYS[4])
end
return redis.status_reply('OK')
