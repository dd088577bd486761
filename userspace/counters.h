/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemon counts. One block per worker, written by its owner only with plain relaxed
 * stores, summed by whoever asks. X(name, words): the name is the key in `greygate stats --json`,
 * the words its line for people and in the manual.
 */
#ifndef GREYGATE_COUNTERS_H
#define GREYGATE_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#define COUNTERS(X)                                                                                \
	X(connections, "connections accepted")                                                     \
	X(sessions, "sessions open now")                                                           \
	X(stuttering, "sessions being stuttered now")                                              \
	X(stutter_bytes, "bytes sent one at a time")                                               \
	X(stutter_hangup, "clients that left while stuttered")                                     \
	X(commands, "SMTP commands read")                                                          \
	X(greylisted, "recipients deferred: first attempt")                                        \
	X(early, "recipients deferred: retry before the delay was over")                           \
	X(late, "recipients deferred: retry after the window, among greylisted")                   \
	X(passed, "recipients let through by a mature or known triplet")                           \
	X(allowed, "recipients let through: source allowed, exempt or mode off")                   \
	X(learned, "recipients let through in learn mode that would have waited")                  \
	X(answered, "recipients let through: our users write to the sender's domain")              \
	X(correspondents, "hosts and domains entered or renewed as correspondents")                \
	X(denied, "sessions refused with 554: source denied")                                      \
	X(trapped, "greytrap hits")                                                                \
	X(promoted, "sources promoted")                                                            \
	X(demoted, "sources demoted")                                                              \
	X(never_retried, "triplets forgotten that were deferred once and never seen again")        \
	X(gave_up, "triplets forgotten that were seen again, but not after their delay")           \
	X(relayed, "messages delivered to the mail server")                                        \
	X(relayed_bytes, "bytes of messages delivered")                                            \
	X(duplicates, "messages answered 250 and not delivered again: taken before")               \
	X(duplicates_early, "messages put off: the same one was still with the mail server")       \
	X(unconfirmed, "messages that were taken, their clients having left without a sign")       \
	X(limit_unconfirmed, "messages forgotten by limit unconfirmed")                            \
	X(backend_refused, "replies 5xx of the mail server handed back")                           \
	X(backend_deferred, "replies 4xx of the mail server handed back")                          \
	X(backend_failed, "mail server not reached, full, lost or silent: answered 451")           \
	X(backend_lacks, "recipients refused: the mail server has lost what the message needs")    \
	X(backend_open, "connections to the mail server open now")                                 \
	X(limit_sessions, "connections refused with 421: limit sessions")                          \
	X(limit_source, "connections refused with 421: limit per_source")                          \
	X(relief_shortened, "sessions stuttered for a shorter time: relief")                       \
	X(relief_unstuttered, "denied sessions not stuttered, or let go: relief")                  \
	X(relief_refused, "connections refused with 421: relief")                                  \
	X(limit_line, "lines longer than limit line")                                              \
	X(limit_commands, "sessions ended by limit commands")                                      \
	X(limit_errors, "sessions ended by limit errors")                                          \
	X(limit_recipients, "recipients refused by limit recipients")                              \
	X(limit_message, "messages refused by limit message")                                      \
	X(limit_state_time, "sessions ended by limit state_time")                                  \
	X(limit_session_time, "sessions ended by limit session_time")                              \
	X(limit_stutter, "sessions not stuttered: stutter max_sessions")                           \
	X(limit_backend, "deliveries put off: upstream connections")                               \
	X(limit_reserve, "deliveries of strangers put off: upstream reserve")                      \
	X(limit_held, "deliveries of strangers put off: upstream per_source")                      \
	X(limit_waiting, "recipients of the null sender not waited for: upstream verify_waiting")  \
	X(verify_asked, "recipients that the mail server was asked about beforehand")              \
	X(verify_kept, "recipients that it need not be asked about: the answer was known")         \
	X(verify_unasked, "recipients not asked about: too many waited")                           \
	X(harvest_late, "unknown recipients counted for sources that had left before the answer")  \
	X(harvest_lost, "recipients whose answer counts for no source: too many waited")           \
	X(verify_unclear, "questions about recipients without an answer that says something")      \
	X(verify_refused, "recipients refused with the mail server's own words of before")         \
	X(backend_full, "connections that a mail server with others of ours refused with 421")     \
	X(backend_moved,                                                                           \
	  "transactions begun again: mail server lost before a recipient was taken")               \
	X(backend_reused, "deliveries over a connection to the mail server that was kept")         \
	X(backend_plain,                                                                           \
	  "deliveries in the clear after a failed TLS handshake with the mail server")             \
	X(backend_distrusted, "TLS handshakes in which the mail server's certificate was refused") \
	X(check_early_talk, "sessions that spoke before the banner was complete")                  \
	X(check_pipelining, "sessions that sent commands along with HELO or EHLO")                 \
	X(check_helo_syntax, "sessions with neither a name nor a literal in HELO or EHLO")         \
	X(check_helo_name, "sessions without a fully qualified name in HELO or EHLO")              \
	X(check_helo_literal, "sessions with the address of another in HELO or EHLO")              \
	X(check_helo_ours, "sessions with our hostname in HELO or EHLO")                           \
	X(check_non_smtp, "sessions that spoke something else than SMTP")                          \
	X(check_errors, "sessions with as many errors as limit errors has")                        \
	X(check_paths, "sessions with an address that RFC 5321 does not allow")                    \
	X(check_refused, "recipients refused with 550: a check set to reject")                     \
	X(proxy_clients, "connections whose client a load balancer named")                         \
	X(proxy_local, "connections of a load balancer for itself")                                \
	X(proxy_refused, "connections of a load balancer without a good PROXY header in time")     \
	X(tls_open, "TLS sessions with clients open now")                                          \
	X(tls_handshakes, "TLS handshakes with clients that succeeded")                            \
	X(tls_failed, "TLS handshakes or sessions with clients that broke")                        \
	X(tls_discarded, "STARTTLS with more in the clear behind it: discarded")                   \
	X(limit_tls, "STARTTLS answered with 454: tls sessions")                                   \
	X(limit_key_updates, "TLS sessions ended: more than 300 key updates in one")               \
	X(smuggling, "messages refused: bare CR, bare LF or NUL")                                  \
	X(protocol_errors, "commands answered with a 5xx of ours")                                 \
	X(dns_asked, "questions sent to name servers")                                             \
	X(dns_kept, "questions answered from memory, or along with the same one")                  \
	X(dns_failed, "questions that name servers refused or failed to answer")                   \
	X(dns_timeouts, "questions that no name server answered in time")                          \
	X(dns_unasked, "questions not asked: too many on their way, or no name server answers")    \
	X(dns_silent, "workers that no name server answers now")                                   \
	X(dns_refused, "answers of DNS lists that do not serve us")                                \
	X(list_given_up, "patterns of lists that took too long on a name")                         \
	X(verdicts_evicted, "entries of the daemon's own that made room: limit hosts, nets")       \
	X(kernel_full, "entries that found no room in the kernel: limit hosts, nets")              \
	X(kernel_late, "entries that the kernel got when it had room again")                       \
	X(kernel_lost, "programs and rules of ours that somebody took away")                       \
	X(kernel_restored, "programs and rules of ours that are back")                             \
	X(records_evicted, "records that made room for newer ones")                                \
	X(records_lost, "records the store could not take in time")                                \
	X(upgrades_refused, "upgrades in place after which this process went on")                  \
	X(queue_full, "ring or queue was full and work was put off")

enum counter {
#define X(name, words) COUNT_##name,
	COUNTERS(X)
#undef X
		COUNT_MAX
};

struct counters {
	_Alignas(64) _Atomic uint64_t value[COUNT_MAX];
};

static inline void counter_add(struct counters *c, enum counter which, int64_t n)
{
	uint64_t v = atomic_load_explicit(&c->value[which], memory_order_relaxed);

	atomic_store_explicit(&c->value[which], v + (uint64_t)n, memory_order_relaxed);
}

#endif
