-- Writes a set of flag definitions, whole. Returns {1, its version}, or {0, the version it has} if another is expected.
-- KEYS: set (STRING), versions (HASH set -> version), counter (STRING), epoch (counter), log (STREAM)
-- ARGV: name, text, expected version or '', version of a set that no router wrote, most sets, what keys of sets begin
--       with, the epoch that the router has seen, record
local kind = redis.call('TYPE', KEYS[1]).ok
local found = 0
if kind ~= 'none' then
  found = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '') or tonumber(ARGV[4])
end
if ARGV[3] ~= '' and tonumber(ARGV[3]) ~= found then
  return { 0, found }
end
if (tonumber(redis.call('GET', KEYS[4]) or '') or 0) < tonumber(ARGV[7]) then
  return redis.error_reply('LOST the store lost its data')
end
if kind == 'none' and redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[5]) then
  -- Those that someone deleted by hand make room.
  for _, set in ipairs(redis.call('HKEYS', KEYS[2])) do
    if redis.call('EXISTS', ARGV[6] .. set) == 0 then
      redis.call('HDEL', KEYS[2], set)
    end
  end
  if redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[5]) then
    return redis.error_reply('FULL too many sets of flags')
  end
end
local version = redis.call('INCR', KEYS[3])
if version <= tonumber(ARGV[4]) then
  version = redis.call('INCR', KEYS[3])
end
local old = kind == 'string' and redis.call('GET', KEYS[1])
redis.call('SET', KEYS[1], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[1], version)
append_to_log(KEYS[5], ARGV[8], old)
raise_epoch(KEYS[4])
return { 1, version }
