-- Shared: the keys of a lease whose name has no hash tag (see keys.lua).

local lease = KEYS[1]
local fence_key = 'leasehold:fence-of:{' .. lease .. '}'
local waiting_key -- made where it is needed
