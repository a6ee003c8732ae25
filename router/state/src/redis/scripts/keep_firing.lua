-- Notes that an alert was seen, and raises it if it is not up yet and not quiet. Returns 1 if it was raised.
-- KEYS: firing (HASH), mute (STRING with a time to live), alerts (STREAM), epoch (counter)
-- ARGV: field, seen in ms, stays up for ms, the alert as JSON, most alerts that are up, cooldown in ms, about the most
--       alerts kept, then field, value, ... of the alert
local function up(seen_ms, alert)
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %s %s', seen_ms, ARGV[3], alert))
end
local seen_ms = tonumber(ARGV[2])
local text = redis.call('HGET', KEYS[1], ARGV[1])
if text then
  local before, alert = string.match(text, '^(%d+) %d+ (.*)$')
  if before then
    up(math.max(tonumber(before), seen_ms), alert)
    return 0
  end
end
if tonumber(ARGV[6]) > 0 and not redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[6]) then
  return 0
end
local appended = redis.pcall('XADD', KEYS[3], 'MAXLEN', '~', ARGV[7], '*', unpack(ARGV, 8))
if type(appended) == 'table' and appended.err then
  -- Not raised, so not quiet either.
  redis.call('DEL', KEYS[2])
  return appended
end
if text or redis.call('HLEN', KEYS[1]) < tonumber(ARGV[5]) then
  up(seen_ms, ARGV[4])
end
redis.call('INCR', KEYS[4])
return 1
