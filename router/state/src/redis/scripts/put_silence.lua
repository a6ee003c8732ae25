-- Makes or replaces a silence.
-- KEYS: silences (HASH id -> JSON), epoch (counter), log (STREAM)
-- ARGV: id, JSON, most silences, now in ms, record
local known = redis.call('HGETALL', KEYS[1])
local old = redis.call('HGET', KEYS[1], ARGV[1])
for i = 1, #known, 2 do
  local readable, silence = pcall(cjson.decode, known[i + 1])
  local until_ms = readable and type(silence) == 'table' and tonumber(silence.until_ms)
  -- Those that are over, or are none, make room.
  if not until_ms or until_ms <= tonumber(ARGV[4]) then
    redis.call('HDEL', KEYS[1], known[i])
  end
end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then
  return redis.error_reply('FULL too many silences')
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
append_to_log(KEYS[3], ARGV[5], old)
raise_epoch(KEYS[2])
return 1
