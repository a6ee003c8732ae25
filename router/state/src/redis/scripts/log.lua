-- In front of every script that writes to the audit log. A log that cannot be written (someone put something else in its
-- place) does not stop the write: half a write would be worse than one that is not logged.
local function append_to_log(log, record, old)
  local parts = cjson.decode(record)
  local fields = parts.fields
  if old then
    fields[#fields + 1] = 'old'
    fields[#fields + 1] = string.sub(old, 1, parts.value_bytes_max)
  end
  redis.pcall('XADD', log, 'MAXLEN', '~', parts.entries_max, '*', unpack(fields))
end
-- Tells the routers to look. A store without an epoch has lost its data, and must keep looking like that.
local function raise_epoch(epoch)
  if redis.call('EXISTS', epoch) == 1 then
    redis.call('INCR', epoch)
  end
end
