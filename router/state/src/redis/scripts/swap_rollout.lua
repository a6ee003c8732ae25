-- Compare-and-set of a rollout on its field `epoch`. Returns 1 if it was written, 0 if someone else was first.
-- KEYS: rollout (HASH), epoch (counter), log (STREAM), then the fence of a job, if only its leader may write
-- ARGV: the epoch it must have, or '' = it must not exist; the token that the fence must have, or ''; record, or '';
--       then field, value, ...
if ARGV[2] ~= '' and redis.call('GET', KEYS[4]) ~= ARGV[2] then
  return redis.error_reply('FENCED another one leads')
end
if (redis.call('HGET', KEYS[1], 'epoch') or '') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
if ARGV[3] ~= '' then
  append_to_log(KEYS[3], ARGV[3])
end
redis.call('INCR', KEYS[2])
return 1
