//! What the suites of other lock libraries check, for this one. Left: their case; right: the test of
//! ours, or why there is none. A file of this folder is named where the test is in it.
//!
//! | rslock 0.10 (35 tests) | |
//! | --- | --- |
//! | unlock, then lock again | `holding`: `a_released_lease_can_be_acquired_again_by_anybody` |
//! | lock twice, the second fails | `holding`: `a_refusal_says_how_the_nodes_stand_and_when_it_may_end` |
//! | unlock of an expired lock | `holding`: `a_release_after_the_end_says_not_ours` |
//! | unlock by another value | `holding`: `a_lease_that_another_has_now_is_not_released_for_them` |
//! | extend, extend an expired lock | `holding`: `a_renewal_restores_…`; `traps`: `a_renewal_does_not_make_missing_keys_again` |
//! | lock waits and gives up | `silent_nodes`: `waiting_ends_at_its_deadline_with_the_last_reason` |
//! | `acquire` until it is free | `waiting`: `a_waiter_gets_the_lease_of_a_holder_that_died`, `a_waiter_is_told_and_need_not_poll` |
//! | TTL too short, TTL zero | `bad_input`: `a_ttl_that_cannot_work_is_named` |
//! | `using`: runs, extends, stops | `losses`: `guarded_work_is_dropped_where_it_stands` |
//! | guard dropped | `cancellation`; `many`: `a_thousand_leases_dropped_…` |
//! | several resources at once | `groups`: `one_resource_that_is_held_leaves_none_of_the_others_held` |
//! | random values differ | `traps`: `every_attempt_has_a_value_of_its_own` |
//! | `is_freed`, value of a key, cluster client | no such calls: a lease is a handle, nodes are independent |
//!
//! | redis-py `test_lock.py` (about 33) | |
//! | --- | --- |
//! | lock, non-blocking, context manager | `holding`; `waiting`: `a_wait_of_zero_tries_once` |
//! | blocking timeout, zero, longer than sleep | `waiting`: `a_huge_wait_is_a_wait`; `traps`: `a_wait_without_jitter_…` |
//! | float timeouts | `bad_input`: a fraction of a millisecond is refused |
//! | no timeout at all | not offered: every lease has a TTL |
//! | release of an unlocked lock raises | impossible by type: `release` takes the lease |
//! | release of a lock no longer owned | `holding`: `a_release_after_the_end_says_not_ours` |
//! | extend adds, extend replaces, reacquire | `holding`: `a_renewal_restores_the_ttl_and_does_not_add_to_it` |
//! | extend or reacquire not owned | `loss`: `a_lease_that_another_took_is_lost_…` |
//! | token as text or bytes, thread-local token | no thread owns a lease, its handle does |
//! | release cancelled midway (#3847) | `cancellation`: `a_cancelled_release_still_releases` |
//!
//! | bluetape4k #1068 (fencing) | |
//! | --- | --- |
//! | tokens unique and growing, concurrently | `fencing`: `a_thousand_tokens_…`; `waiting`: `tasks_of_many_processes_…` |
//! | a stale holder's token is smaller | `fencing`: `the_token_of_a_paused_holder_is_smaller_than_its_successors` |
//! | same owner again gets the same token | `fencing`: `a_repeated_grant_message_gets_the_same_number_…` |
//! | counter lost: no grant, then a higher epoch | `traps`: `a_node_that_forgot_its_counter_does_not_vote_at_once` |
//! | no token without the lock | `fencing`: `an_attempt_that_fails_after_its_number_was_minted_…` |
//! | conditional write in Postgres | `tests/system` |
//!
//! | node-redlock | |
//! | --- | --- |
//! | acquires, extends, releases on one, three nodes | `holding`, `traps`: `half_of_an_even_number_of_nodes_is_no_quorum` |
//! | succeeds while a minority fails | `silent_nodes`: `a_silent_minority_costs_nothing` |
//! | fails while a majority fails, and says so | `silent_nodes`: `a_silent_majority_is_unavailable_and_says_which_nodes` |
//! | several keys, overlapping keys | `groups`: `callers_with_opposite_orders_…`, `names_given_twice_…` |
//! | `using`: signal when the extension fails (#185) | `losses`: `the_cancellation_comes_with_the_loss` |
//! | release of an expired lock (#362) | `holding`: `a_release_after_the_end_says_not_ours` |
//! | FIFO (#218) | `waiting`: `tasks_of_a_process_get_it_once_each_in_the_order_in_which_they_asked` |
//! | a quorum of Redis clusters | nodes are single servers |
//!
//! | .NET DistributedLock | |
//! | --- | --- |
//! | handle lost is triggered, and at once when asked late | `losses`: `the_cancellation_comes_with_the_loss` |
//! | handle lost after dispose | `losses`: `the_cancellation_comes_with_the_release_and_with_the_drop` |
//! | handle not lost while a minority fails | `losses`: `a_minority_of_nodes_that_lost_the_lease_is_no_loss` |
//! | lost handle disposed later | `losses`: `a_lost_lease_that_is_dropped_leaves_its_successor_alone` |
//! | cancellation of a waiter | `waiting`: `a_waiter_that_goes_away_…` |
//! | abandoned handle, killed process | `waiting`: `a_waiter_gets_the_lease_of_a_holder_that_died`; killed in `tests/system` |
//! | semaphore: never above its count | `groups`: `there_are_never_more_holders_than_slots_and_each_comes_in` |
//! | reader-writer, upgradeable | `groups`: `a_writer_excludes_every_reader_…`; no upgrade, it deadlocks |
//! | re-entrancy | not offered: a task that asks twice waits for itself until its deadline |

mod fencing;
mod groups;
mod holding;
mod losses;
mod many;
mod turns;
mod waiting;
