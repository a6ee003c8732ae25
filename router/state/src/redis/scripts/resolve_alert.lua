-- Takes an alert out of those that are up, and appends its resolved notice. Returns 1 if nobody was faster, and it was
-- not seen again meanwhile.
-- KEYS: firing (HASH), alerts (STREAM), epoch (counter)
-- ARGV: field, what stood in it, about the most alerts kept, then field, value, ... of the notice, or nothing
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
if ARGV[4] then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', unpack(ARGV, 4))
  redis.call('INCR', KEYS[3])
end
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
