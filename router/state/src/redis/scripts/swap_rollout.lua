-- Compare-and-set of a rollout on its field `epoch`. Returns 1 if it was written, 0 if someone else was first.
-- KEYS: rollout (HASH), epoch (counter)
-- ARGV: the epoch it must have, or '' = it must not exist; then field, value, ...
if (redis.call('HGET', KEYS[1], 'epoch') or '') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('INCR', KEYS[2])
return 1
