-- Flips a switch and returns its new value, 1 or 0. Missing counts as off.
-- KEYS: switch (STRING)
-- ARGV: 1 or 0, the last good value, used when the key holds nonsense
local on = ARGV[1] == '1'
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' then
  on = false
elseif kind == 'string' then
  local text = string.match(string.lower(redis.call('GET', KEYS[1])), '^%s*(.-)%s*$')
  if text == 'true' or text == '1' or text == 'on' then
    on = true
  elseif text == 'false' or text == '0' or text == 'off' then
    on = false
  end
end
redis.call('SET', KEYS[1], on and 'false' or 'true')
return on and 0 or 1
