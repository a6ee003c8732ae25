-- Claims an alert for an operation, unless one has it already; only the leader of now may. Returns the operation that has it.
-- KEYS: claim (STRING with a time to live), fence of the job
-- ARGV: the token that the fence must have, operation, kept for ms
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return redis.error_reply('FENCED another one leads')
end
local claimed = redis.call('GET', KEYS[1])
if claimed then
  return claimed
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return ARGV[2]
