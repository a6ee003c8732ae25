-- Appends an alert unless its rule and fingerprint are quiet. Returns 1 if it was appended, else 0.
-- KEYS: mute (STRING with a time to live), alerts (STREAM), epoch (counter)
-- ARGV: cooldown in ms, about the most alerts kept, then field, value, ...
if tonumber(ARGV[1]) > 0 and not redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) then
  return 0
end
local appended = redis.pcall('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*', unpack(ARGV, 3))
if type(appended) == 'table' and appended.err then
  -- Not raised, so not quiet either.
  redis.call('DEL', KEYS[1])
  return appended
end
redis.call('INCR', KEYS[3])
return 1
