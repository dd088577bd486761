/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The greylist decision: pure functions over an attempt, the records it meets, the settings and
 * `now`. No I/O, no clock, no globals; any thread.
 *
 * One delivery attempt for one recipient goes through three steps, which the caller wires together:
 *
 *   policy_identities   what the attempt is known by, strongest first, each with its record's tag
 *   policy_decide       those records (as found in the table) and the settings give a decision
 *   policy_edit_*       table_edit_fn that write the attempt, or later the delivery, into them
 *
 * A retry counts when any identity of the session met an earlier attempt for the same normalised
 * sender and recipient. HELO is never part of an identity. SPF is an identity and never absolves.
 *
 * Ages are differences of 32-bit seconds, so they hold across the wrap of 2106; that of a grey
 * record is of whole seconds gone by, to the thousandth, or a delay could end early. A `now` before
 * a record's time (the clock was set back) reads as age 0; the next attempt then starts the record
 * anew from `now`, so no sender waits for the clock to catch up.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/addr.h"
#include "../core/records.h"
#include "evidence.h"

enum policy_mode { POLICY_ENFORCE, POLICY_LEARN, POLICY_OFF };

enum policy_class { CLASS_EXEMPT, CLASS_CLEAN, CLASS_DEFAULT, CLASS_SUSPICIOUS, CLASS_MAX };

/* Rungs of the identity ladder, the strongest last. Values are stored. */
enum policy_rung { RUNG_ADDRESS = 1, RUNG_NETWORK = 2, RUNG_NAME = 3, RUNG_SPF = 4 };
#define POLICY_RUNGS 4

enum policy_match { MATCH_NETWORK, MATCH_ADDRESS };

enum policy_verdict { POLICY_PASS, POLICY_GREY };

/* Stable words in log and CLI; policy_reason_text gives them. */
enum policy_reason {
	REASON_FIRST,         /* never seen: grey */
	REASON_EARLY,         /* retry before the delay is over: grey */
	REASON_LATE,          /* retry after the window: counts as first: grey */
	REASON_MATURE,        /* retry in the window: pass */
	REASON_KNOWN,         /* triplet delivered before: pass */
	REASON_LEARN,         /* mode learn: would have been grey: pass */
	REASON_OFF,           /* mode off: pass */
	REASON_EXEMPT,        /* source or recipient exempt: pass */
	REASON_CORRESPONDENT, /* our users write to its domain: pass */
	REASON_LIST,          /* a list names the source or the recipient: pass */
	REASON_MAX
};

struct policy_conf {
	enum policy_mode mode;
	enum policy_match match;
	uint32_t delay[CLASS_MAX];  /* s; delay[CLASS_EXEMPT] is not asked */
	uint32_t jitter;            /* percent, 0..50 */
	uint32_t window;            /* s, from the first attempt */
	uint32_t keep;              /* s, passed records, from the last delivery */
	uint32_t promote_after;     /* distinct passed triplets, up to 65535; 0: never */
	uint32_t promote_net_after; /* promoted addresses of a network, up to 65535; 0: never */
	uint32_t hammer; /* attempts a minute on one triplet that lower its class; 0: none do */
	uint8_t key[16]; /* secret for tags and jitter */
};

struct policy_attempt {
	struct addr src;
	const char *sender;                     /* reverse-path without brackets, "" for null */
	const char *recipient;                  /* forward-path without brackets */
	const struct policy_evidence *evidence; /* NULL: nothing is known */
	bool exempt;
	bool correspondent; /* it belongs to somebody our users write to, see policy_proven */
	uint16_t ms;        /* thousandths of the second `now` in which it comes, 0..999 */
};

struct policy_identity {
	enum policy_rung rung;
	uint64_t tag;
};

/*
 * Fills ret[] strongest first, returns how many (1..POLICY_RUNGS): the SPF domain where SPF passed
 * (of the null sender, for which SPF speaks of each host's own name in HELO, its organisation);
 * the organisational domain of the confirmed name, unless the name looks dynamic; the network,
 * whose record speaks for each address in it. With MATCH_ADDRESS the address and nothing else.
 */
int policy_identities(const struct policy_conf *c, const struct policy_attempt *a,
		      struct policy_identity ret[POLICY_RUNGS]);

/* Sender (see policy_normalise, which it must have gone through) and recipient, which all
 * identities of an attempt share; and the same as above for who needs that anyway. */
uint64_t policy_pair(const struct policy_conf *c, const char *normalised, const char *recipient);
int policy_identities_of(const struct policy_conf *c, const struct policy_attempt *a, uint64_t pair,
			 struct policy_identity ret[POLICY_RUNGS]);

/* The class the evidence speaks for. What is not known is held against nobody. */
enum policy_class policy_classify(const struct policy_attempt *a);
/* Whether a host name (lower case) looks like one that a provider makes up for its customers'
 * addresses: the address in it, words such as dsl or pool, a known pattern. */
bool policy_dynamic(const char *name, const struct addr *src);
/* Whether an argument of HELO or EHLO speaks against its sender (RFC 5321 4.1.1.1): neither a full
 * name nor a literal, our own name, a literal of another address. */
bool policy_helo_bad(const char *helo, const struct addr *src, const char *hostname);
/* Organisational domain of a name (lower case, with A-labels or UTF-8, no dot at its end) by the
 * Public Suffix List, ICANN's part and the private one: the part of `name` that somebody
 * registered; NULL when there is none, or an empty label stands in its place. */
const char *policy_organisation(const char *name);

/* Canonical form of a mailbox for tags: the local part as its value (a quoted string without its
 * quotes and backslashes, RFC 5321 4.1.2) and the domain with A-labels, both in lower case. Cut at
 * size >= 1. */
#define POLICY_MAILBOX 324 /* local part 64, "@", domain 255, NUL, and slack */
void policy_canonical(const char *mailbox, char *ret, size_t size);
/* Canonical form of a sender, and what a sender's system changes from message to message or from
 * attempt to attempt taken out: BATV, SRS and VERP tags, ids in bounce addresses, UUIDs, long runs
 * of hex and base32 or base64. Never makes one of two addresses that people have. */
void policy_normalise(const char *sender, char *ret, size_t size);
/* postmaster and abuse, at any domain or none: they must stay reachable for complaints about this
 * very greylist (RFC 5321 4.5.1, RFC 2142) and are never deferred. */
bool policy_recipient_exempt(const char *recipient);
/* Tag of the greytrap record of an address, or of its whole domain with "@domain". */
uint64_t policy_trap_tag(const struct policy_conf *c, const char *mailbox);
/*
 * Patterns: in a local part that is not quoted "*" stands for any characters, also none, and "?"
 * for one; a domain "*.example.net" for all below example.net, not for itself. A quoted local part
 * is taken as it is, for both are characters that mailboxes may have (RFC 5321 4.1.2, atext). All
 * of them are matched in their canonical form; the mailbox must have a domain.
 */
bool policy_pattern(const char *mailbox); /* whether its local part is one, as it was written */
#define POLICY_PATTERNS 1024              /* at most: each is looked at for each recipient */
uint64_t policy_pattern_tag(const struct policy_conf *c, const char *pattern);
bool policy_pattern_match(const char *pattern, const char *mailbox);
bool policy_domain_match(const char *pattern, const char *domain);
/* The n-th way in which a list may name the domain of a mailbox: itself, then "*" and what is left
 * of it from each dot on. False: there are no more. ret: POLICY_MAILBOX bytes. */
bool policy_domain_form(const char *mailbox, int n, char *ret);
/* Tag of a domain, or "*.domain", that mail is taken for here. Lower case. */
uint64_t policy_hosted_tag(const struct policy_conf *c, const char *domain);
/* Tags of what is known of a source's conduct, and that it, or a neighbour in its network, has come
 * to the first door; see conduct.h. */
uint64_t policy_conduct_tag(const struct policy_conf *c, const struct addr *src);
uint64_t policy_visit_tag(const struct policy_conf *c, const struct addr *src);
/* The organisational domains that the evidence (NULL: nothing is known) proves a sender to be of:
 * by its SPF pass, by its confirmed name. Of none where it speaks against itself. Returns how many;
 * they lie within the evidence. */
#define POLICY_PROVEN 2
int policy_proven(const struct policy_evidence *e, const struct addr *src,
		  const char *ret[POLICY_PROVEN]);
/* Tag of a domain that our users write to. Lower case. */
uint64_t policy_correspondent_tag(const struct policy_conf *c, const char *domain);
/* Whether others vouch for the source of this evidence (NULL: nothing is known) and it does not
 * speak against itself. */
bool policy_vouched(const struct policy_evidence *e);
/* Tag of the record that counts the distinct passed triplets of a source address. */
uint64_t policy_source_tag(const struct policy_conf *c, const struct addr *src);
/* Tag of the record that counts the promoted addresses of a source's network. */
uint64_t policy_network_tag(const struct policy_conf *c, const struct addr *src);

struct policy_decision {
	enum policy_verdict verdict;
	enum policy_reason reason;
	enum policy_class delay_class;
	enum policy_rung rung; /* identity that decided */
	uint64_t tag;          /* its record; also the ticket */
	bool counted;          /* a live record stands for the triplet in figures already */
	uint32_t wait;         /* s until mature, 0 when passed */
	uint32_t age;          /* s since the first attempt */
};

/*
 * The wait belongs to the triplet, suspicion to the host. A record keeps the class of its first
 * attempt, so that a pool is told one wait whichever of its addresses comes, also where evidence is
 * late or its host lacks a name. But an attempt whose own evidence speaks against its host (a
 * dynamic-looking name, what it did in the session, DNS lists, SPF fail) waits out the suspicious
 * class, counted from that same first attempt, though an earlier host of its domain or network
 * began in a better one; and what it does leaves the record's class to the others. What it met as
 * passed stays passed.
 *
 * records[i] belongs to ids[i]; state RECORD_NONE where the table had none. The record that
 * takes the attempt furthest decides. Without identities (n is 0) the attempt is a first one. */
struct policy_decision policy_decide(const struct policy_conf *c, const struct policy_attempt *a,
				     const struct policy_identity *ids,
				     const struct record *records, int n, uint32_t now);

/*
 * Delay of a record: its class's delay with keyed jitter; the same for every retry and for all
 * identities of one triplet, so that the wait told to one address of a pool holds for the next one.
 * At most half the window, or a long delay would lock its senders out for good; never less than a
 * minute where the class has that much: what repeats at once must not gain by the jitter. s
 */
uint32_t policy_delay(const struct policy_conf *c, enum policy_class cl, uint64_t tag);

/* Whether a delivery that was decided like this is written into the record of that identity: into
 * all of them when the triplet was not known before, else into the one it was known by. */
bool policy_marks(const struct policy_decision *d, const struct policy_identity *id);

/* How long a trap denies a source that has hit one `repeats` times before: doubled each time, at
 * most max. s */
uint32_t policy_trap_life(uint32_t life, uint32_t max, uint8_t repeats);

/* A wait as a reply may tell it: whole minutes, rounded up, in steps of five from a quarter of an
 * hour on; at least 1. */
uint32_t policy_minutes(uint32_t wait);

/* Argument of the edits: what happened. */
struct policy_edit {
	const struct policy_conf *conf;
	const struct policy_attempt *attempt;
	enum policy_rung rung;
	enum policy_class delay_class;
	bool shadow; /* a record that begins now is one more of a triplet that is counted */
	uint32_t now;
	struct record before; /* out: the record as found, state RECORD_NONE if there was none */
	struct record after;  /* out: the record as it stands now; both go to the store */
	bool first_pass; /* out of delivered: a triplet that had not passed before, and counts */
	bool promote;    /* out of source and network: the threshold is reached or passed */
	bool reached;    /* out of source: by this very delivery; the network may count it */
};

/* Whether the record that the i-th identity of an attempt may begin is one more of its triplet, for
 * policy_edit.shadow: in figures each triplet is to count once, under its strongest identity. */
bool policy_shadow(const struct policy_decision *d, int i);

/* Grey attempt: inserts, touches, or starts anew a record that is over. A triplet that has passed
 * is left as it is. Each attempt beyond conf.hammer a minute lowers the class by one. */
bool policy_edit_attempt(struct cell *cell, bool found, void *edit);
/* The message was delivered: the triplet is passed from now on, and the record says how long that
 * took. */
bool policy_edit_delivered(struct cell *cell, bool found, void *edit);
/*
 * One more distinct triplet of this source passed; for each first_pass, on policy_source_tag.
 *
 * A delivery counts towards promotion only if it proves a retry: never from the null sender (any
 * bot can send bounces), never where exemption or a mode other than enforce let it through. Such
 * an edit changes nothing and first_pass is never set.
 */
bool policy_edit_source(struct cell *cell, bool found, void *edit);
/* One more address of this network was promoted; on policy_network_tag. To demote a source or a
 * network is to delete its record: it then has to earn its place from the beginning. */
bool policy_edit_network(struct cell *cell, bool found, void *edit);

/* Victim order of the record table: grey before passed, older before newer; traps and sources never
 * before those. table_rank_fn; arg unused. */
uint32_t policy_rank(const struct cell *cell, void *arg);
/* Whether the record is over: grey ones after the window since the first attempt, passed and source
 * ones after keep since the last delivery. Traps never are. */
bool policy_expired(const struct policy_conf *c, const struct record *r, uint32_t now);

const char *policy_reason_text(enum policy_reason r);
const char *policy_class_text(enum policy_class c);
const char *policy_rung_text(enum policy_rung r);

#endif
