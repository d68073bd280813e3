-- Asks several questions of one kind in one call: of a grant, the call is a fifth of what it costs a server,
-- of a release a third.
--
-- KEYS     the leases
-- ARGV     the two arguments of each question, one question after the other; then 'check' from whoever
--          loads this script (see guard.lua)
--
-- Returns  the answers, in that order
--
-- Each question is answered as if it were alone. Where one fails, nothing is known of any: whoever
-- asked asks each alone then. A lease that was granted before is granted again with its number, and one
-- that was released is not ours.

local function answer(KEYS, ARGV)
--#include question
end

local key, arguments, answers = {}, {[3] = ARGV[2 * #KEYS + 1]}, {}
for at = 1, #KEYS do
  key[1], arguments[1], arguments[2] = KEYS[at], ARGV[2 * at - 1], ARGV[2 * at]
  answers[at] = answer(key, arguments)
end
return answers
