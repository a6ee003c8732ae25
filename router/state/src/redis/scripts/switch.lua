-- Sets a switch, or flips it: missing counts as off. Returns {its new value as 1 or 0, the text before or false}.
-- KEYS: switch (STRING)
-- ARGV: 'true', 'false' or 'flip'; 1 or 0, the last good value, used when the key to flip holds nonsense
local kind = redis.call('TYPE', KEYS[1]).ok
local old = kind == 'string' and redis.call('GET', KEYS[1])
local new = ARGV[1]
if new == 'flip' then
  local on = kind ~= 'none' and ARGV[2] == '1'
  local text = old and string.match(string.lower(old), '^%s*(.-)%s*$')
  if text == 'true' or text == '1' or text == 'on' then
    on = true
  elseif text == 'false' or text == '0' or text == 'off' then
    on = false
  end
  new = on and 'false' or 'true'
end
redis.call('SET', KEYS[1], new)
return { new == 'true' and 1 or 0, old }
