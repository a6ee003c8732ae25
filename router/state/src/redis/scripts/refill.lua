-- Puts rollouts back into a store that lost its data. Returns 1 if it did, 0 if another router was first.
-- KEYS: epoch (counter), then rollouts (HASH)
-- ARGV: the epoch the store was seen with, or ''; the epoch to set; then per rollout its epoch and its fields as JSON
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then
  return 0
end
for i = 2, #KEYS do
  local epoch, fields = ARGV[2 * i - 1], cjson.decode(ARGV[2 * i])
  if tonumber(redis.call('HGET', KEYS[i], 'epoch') or '0') < tonumber(epoch) then
    redis.call('DEL', KEYS[i])
    redis.call('HSET', KEYS[i], unpack(fields))
  end
end
redis.call('SET', KEYS[1], ARGV[2])
return 1
