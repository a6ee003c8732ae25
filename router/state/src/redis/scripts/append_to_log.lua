-- Logs what was done outside of this slot.
-- KEYS: log (STREAM), epoch (counter)
-- ARGV: record, then the value before, if there was one
append_to_log(KEYS[1], ARGV[1], ARGV[2])
raise_epoch(KEYS[2])
return 1
