-- Takes out what has run, and reads a part of what is new; or, with a cursor, of what was read before and
-- not taken out. Whoever leads with an older token may not read: what it read would be kept from the
-- newer leader. So would what a question reads that comes late, after its reader has taken over anew: the
-- token and the number of the takeover are digits of one length, which compare as one text.
-- KEYS: the stream, the leader, the ids of what waits
-- ARGV: the token and takeover, the group, the consumer, how many at most, the cursor or '', how many to take
--       out, their names, their ids
local stream, group, consumer, most, cursor = KEYS[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local leader = redis.call('GET', KEYS[2])
if leader and leader > ARGV[1] then
  return redis.error_reply('STALE a newer leader reads')
end
if cursor == '' and leader ~= ARGV[1] then
  return redis.error_reply('FORGOT the node does not know its leader any more')
end
local done = tonumber(ARGV[6])
for at = 7, 6 + done, 500 do
  local to = math.min(at + 499, 6 + done)
  redis.call('XACK', stream, group, unpack(ARGV, at, to))
  redis.call('XDEL', stream, unpack(ARGV, at, to))
  redis.call('SREM', KEYS[3], unpack(ARGV, at + done, to + done))
end
if cursor == '' then
  local read = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', most, 'STREAMS', stream, '>')
  return { redis.call('TIME')[1], '', read and read[1][2] or {} }
end
redis.call('SET', KEYS[2], ARGV[1])
-- An error if it is there.
redis.pcall('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
local claimed = redis.call('XAUTOCLAIM', stream, group, consumer, 0, cursor, 'COUNT', most)
return { redis.call('TIME')[1], claimed[1], claimed[2] }
