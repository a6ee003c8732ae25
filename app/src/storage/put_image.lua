-- Stores an image, makes it the newest and drops the oldest beyond the bound; all or nothing.
-- KEYS: index (ZSET id -> order), order (counter), image (HASH)
-- ARGV: id, kind, content, images kept, prefix of image keys
redis.call('HSET', KEYS[3], 'kind', ARGV[2], 'bytes', #ARGV[3], 'content', ARGV[3])
redis.call('ZADD', KEYS[1], redis.call('INCR', KEYS[2]), ARGV[1])
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -(tonumber(ARGV[4]) + 1))) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('DEL', ARGV[5] .. id)
end
return redis.status_reply('OK')
