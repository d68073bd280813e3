-- Shared: whether this node may vote, and the highest number that it may have bound.
--
-- The member record is "<high> <floor> <run> <ttl_max>", the first three with 16 digits each, so that
-- texts compare like the numbers in them. It names the run of the process that was admitted: a
-- restart or a failover may bring the record back, and another run must not believe it. INFO, which
-- tells the run, is slow, so two signs stand for it. The text of a script names the run that its
-- caller asked when it connected; and a server that was restarted has lost its scripts (since
-- version 7 they are never kept), so whoever loads one passes 'check', and where the run differs the
-- record is deleted in the same step. The first sign misses a restart behind a proxy, the second a
-- process that was a replica in between; each sees what the other misses.
--
-- In place of a run, 'check' is for servers that may keep scripts: each call asks INFO. 'open' is
-- for a node whose failovers lose data anyway, such as a cluster: no guard, and the record's key is
-- the lease's (what is read there is not used).

local MAX = 9007199254740991
local HIGH_STRIDE_US = 10000
local HINT_AHEAD_MAX_US = 600000000
local NONE = '0000000000000000 0000000000000000 open 0'

local function run_of(info)
  return string.sub(string.match(info, 'run_id:(%x+)'), 1, 16)
end

local function member_of(record, mode)
  if RUN == 'open' then return NONE end
  if not record then return false end
  local run = string.sub(record, 35, 50)
  if run == RUN and mode ~= 'check' then return record end
  if run == run_of(redis.call('INFO', 'server')) then return record end
  redis.call('DEL', MEMBER)
  return false
end

-- %.0f: Lua would print a number of this size in exponent form.
local function digits(number)
  return string.format('%016.0f', number)
end

local function clock_us()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- Notes a number ahead of time, so that it is noted rarely.
local function raise(record, number, ttl, clock)
  if RUN == 'open' then return end
  local high = tonumber(string.sub(record, 1, 16))
  local floor = string.sub(record, 18, 33)
  if number > high then
    high = math.min(math.max(number, clock) + HIGH_STRIDE_US, MAX)
    -- Further ahead than a forgotten number may be: the floor remembers it.
    if number - clock > HINT_AHEAD_MAX_US then floor = digits(high) end
  end
  local ttl_max = string.sub(record, 52)
  if tonumber(ttl) > tonumber(ttl_max) then ttl_max = ttl end
  redis.call('SET', MEMBER, digits(high) .. ' ' .. floor .. string.sub(record, 34, 51) .. ttl_max)
end

-- How long a fence is remembered: at least an hour longer than the lease (see model/ledger.rs).
local function fence_ms(ttl)
  return #ttl <= 6 and '7200000' or '93600000'
end

local function split(fence)
  local number, holder = string.match(fence or '', '^(%d+):(%x*)$')
  return tonumber(number), holder
end
