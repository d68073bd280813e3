-- Shared: the keys of a lease. A name with a hash tag of its own keeps it; any other name becomes the
-- tag, so that all keys of a resource are in one slot should the node be a cluster (but for names
-- with a '}' and no tag). The two prefixes differ so that 'x' and '{x}' do not share a key.
--
-- They are made here and not sent along: each argument costs a server a twentieth of a grant.

local lease = KEYS[1]
local tag = string.find(lease, '{', 1, true) and string.match(lease, '{(.-)}')
local fence_key, waiting_key
if tag and tag ~= '' then
  fence_key, waiting_key = 'leasehold:fence:' .. lease, 'leasehold:waiting:' .. lease
else
  fence_key = 'leasehold:fence-of:{' .. lease .. '}'
  waiting_key = 'leasehold:waiting-of:{' .. lease .. '}'
end
