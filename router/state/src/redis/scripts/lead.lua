-- Leads a job, or goes on leading it. Returns the fencing token, or nil if another one leads.
-- A token is at least the time in ms: also after the fence was lost with all data, the next one is higher.
-- KEYS: leader (STRING with a time to live), fence (STRING)
-- ARGV: holder, lease in ms
local leader = redis.call('GET', KEYS[1])
if leader and leader ~= ARGV[1] then
  return false
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local fence = tonumber(redis.call('GET', KEYS[2]) or '')
if leader and fence then
  return fence
end
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local token = math.max((fence or 0) + 1, now_ms)
redis.call('SET', KEYS[2], string.format('%.0f', token))
return token
