-- A consumer still works on a delivery. Returns 1, or 0 if it is finished or another one's by now.
-- KEYS: alerts (STREAM)
-- ARGV: group, consumer, entry
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1)
if #pending == 0 or pending[1][2] ~= ARGV[2] then
  return 0
end
redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3], 'JUSTID')
return 1
