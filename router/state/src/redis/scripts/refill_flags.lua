-- Puts a set of flag definitions back into a store that lost its data. What someone has set there since counts, and so
-- does a newer version. Returns 1 if it was put back.
-- KEYS: set (STRING), versions (HASH), counter (STRING)
-- ARGV: name, text, version
local version = tonumber(ARGV[3])
if (tonumber(redis.call('GET', KEYS[3]) or '') or 0) < version then
  redis.call('SET', KEYS[3], ARGV[3])
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  local theirs = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '')
  if not theirs or theirs >= version then
    return 0
  end
end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
return 1
