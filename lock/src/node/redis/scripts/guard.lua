-- Shared: whether this node may vote.
--
-- The member record is "<high> <floor> <run> <ttl_max> <fresh>", 16 digits each, so that texts
-- compare like the numbers in them. It names the run of the process that was admitted: a restart or
-- a failover may bring the record back, and another run must not believe it. INFO, which tells the
-- run, is slow, so two signs stand for it. The text of a script names the run that its caller asked
-- when it connected; and a server that was restarted has lost its scripts (since version 7 they are
-- never kept), so whoever loads one passes 'check', and where the run differs the record is deleted
-- in the same step. The first sign misses a restart behind a proxy, the second a process that was a
-- replica in between; each sees what the other misses.
--
-- In place of a run, 'check' is for servers that may keep scripts: each call asks INFO. 'open' is
-- for a node whose failovers lose data anyway, such as a cluster: no guard, and the record's key is
-- the lease's (what is read there is not used).

local MAX = 9007199254740991
local HINT_AHEAD_MAX_US = 600000000
local NONE = '0000000000000000 0000000000000000 open 0'

local function member_of(record, mode)
  if RUN == 'open' then return NONE end
  if not record then return false end
  local run = string.sub(record, 35, 50)
  if run == RUN and mode ~= 'check' then return record end
  if run == string.sub(string.match(redis.call('INFO', 'server'), 'run_id:(%x+)'), 1, 16) then
    return record
  end
  redis.call('DEL', MEMBER)
  return false
end

-- %.0f: Lua would print a number of this size in exponent form.
local function digits(number)
  return string.format('%016.0f', number)
end

-- How long a fence is remembered: at least an hour longer than the lease (see model/limits.rs).
local function fence_ms(ttl)
  return #ttl <= 6 and '7200000' or '93600000'
end

local function split(fence)
  local number, holder = string.match(fence or '', '^(%d+):(%x*)%+?$')
  return tonumber(number), holder
end
