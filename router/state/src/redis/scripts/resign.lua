-- Leads a job no more. Returns 1 if the holder did.
-- KEYS: leader (STRING)
-- ARGV: holder
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
