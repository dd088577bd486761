/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's shared state, built by startup.c in this order and taken down by main.c in the
 * reverse one: config, store, records and verdicts (loaded from the store), fast path, writer,
 * workers, control.
 *
 * Workers and the control thread hold a pointer to it. Everything in it is either constant after
 * start, safe from any thread by its own contract (records, verdicts, fastpath), or atomic.
 */
#ifndef GREYGATE_DAEMON_H
#define GREYGATE_DAEMON_H

#include <pthread.h>
#include <stdatomic.h>

#include "config/config.h"
#include "core/digest.h"
#include "core/ends.h"
#include "core/hash.h"
#include "core/table.h"
#include "core/verdicts.h"
#include "counters.h"
#include "fastpath/fastpath.h"
#include "listing.h"
#include "policy/policy.h"
#include "recent.h"
#include "store/store.h"
#include "tls/tls.h"

#define DAEMON_WORKERS 64

struct askers;
struct notices;
struct verify;
struct worker;
struct trap_patterns;

/* A count that all workers share because its limit is one for the process; a cache line of its own.
 */
struct shared_count {
	_Alignas(64) _Atomic int64_t value;
};

/* Takes one, unless that would go over the limit. */
static inline bool shared_take(struct shared_count *c, uint32_t limit)
{
	if (atomic_fetch_add_explicit(&c->value, 1, memory_order_relaxed) < (int64_t)limit)
		return true;
	atomic_fetch_sub_explicit(&c->value, 1, memory_order_relaxed);
	return false;
}

/* How many of them one may take: `reserve` percent, rounded down, are kept for sources that are
 * allowed. */
static inline uint32_t shared_limit(uint32_t all, uint32_t reserve, bool allowed)
{
	return allowed ? all : all - (uint32_t)((uint64_t)all * reserve / 100);
}

static inline void shared_give(struct shared_count *c)
{
	atomic_fetch_sub_explicit(&c->value, 1, memory_order_relaxed);
}

/* Why mail does not go to a mail server, see ailment.h. */
struct ailment {
	enum ailment_cause {
		AILMENT_NONE,
		AILMENT_SILENT,      /* does not answer */
		AILMENT_REFUSES,     /* us, or to speak SMTP */
		AILMENT_NO_STARTTLS, /* none offered, or not now, and it must be */
		AILMENT_CERTIFICATE, /* not valid */
		AILMENT_TLS,         /* the handshake fails */
		AILMENT_BREAKS,      /* off in transactions */
		AILMENT_MAX
	} cause;
	char why[160]; /* as in the log */
};

/* One mail server's EHLO. */
struct offer {
	struct endpoint peer;
	uint64_t size; /* bytes, 0: none named */
	uint32_t caps; /* enum upstream_cap */
	bool known;    /* it has been heard */
};

struct daemon {
	struct shared_count sessions, stuttering, backends, secured, inquirers;
	/* Replaced whole by daemon_reload; old ones live on. */
	_Atomic(const struct config *) config;
	_Atomic(const struct tls_context *) tls; /* NULL: no certificate; replaced like config */
	_Atomic(const struct tls_context *) tls_client; /* towards the mail server; the same */
	struct {
		_Atomic uint8_t step; /* enum relief_step */
		_Atomic uint32_t since;
		_Atomic uint64_t entered[RELIEF_STEPS];
	} relief;
	const char *config_file;
	uint8_t key[HASH_KEY];
	struct table *records;
	struct table *taken; /* messages whose 250 may be lost; NULL: limit unconfirmed is 0 */
	struct digest_key taken_key;
	struct table *sources;        /* sessions by source: headcount.c's alone */
	struct table *correspondents; /* domains, see correspondents.c */
	struct table *conducts;       /* struct conduct by source */
	struct owners *record_owners; /* where those of a source stand, see forget.h */
	struct owners *conduct_owners;
	_Atomic(struct trap_patterns *) patterns;
	_Atomic bool hosted;       /* trap.hosted names some */
	uint32_t trap_generation;  /* of the settings in records; under config_lock */
	_Atomic uint32_t trouble;  /* s: clients could not be served then, see doors.c */
	pthread_mutex_t trap_lock; /* serialises changes of patterns */
	struct verify *verify;     /* what is known of recipients */
	struct askers *askers;     /* who is to come again, while they are asked about */
	struct notices *notices;   /* to workers whose sessions wait for that */
	struct verdicts *verdicts;
	struct listing lists;
	struct fastpath *fastpath; /* NULL: no kernel fast path */
	_Atomic unsigned lacking;  /* maps (1u << enum fastpath_map) that refused an entry since
				      lacking.c last went through them */
	/* The same, until all that memory holds has been found in the kernel; how often one was
	 * refused; and since lacking.c last looked, operators' entries that the kernel lacks. */
	_Atomic unsigned lacks, refusals, unplaced;
	_Atomic unsigned asking;     /* prefixes that are left to the daemon therefore */
	char fastpath_why[200];      /* one line: what it got, or why there is none */
	struct store *store;         /* NULL: the store could not be opened; RAM only */
	struct store_writer *writer; /* NULL with store */
	char store_why[300];         /* set when the store was set aside or could not be opened */
	struct worker *workers[DAEMON_WORKERS];
	/* Producers of the writer: 0..worker_count-1 are the workers, worker_count is everyone
	 * else. */
	int worker_count;
	struct counters *counters[DAEMON_WORKERS + 1]; /* the last: own */
	struct counters own; /* of everyone but the workers: added to with daemon_counted only */
	struct recent *recent[DAEMON_WORKERS];
	uint32_t started; /* s, CLOCK_REALTIME */
	int64_t begun;    /* ms, CLOCK_MONOTONIC: the same */
	_Atomic bool draining;
	_Atomic bool
		leaving; /* a successor serves: only those who are here are brought to an end */
	_Atomic bool holding; /* workers accept nobody yet: a predecessor still may go on */
	/* The kernel maps are a successor's; changes under config_lock and verdict_lock. */
	bool lent;
	_Atomic bool helpless; /* what others take away of the kernel half can't be put back */
	const char *_Atomic unpinned; /* nor while the pin of this map is gone; NULL: none is */
	bool mending;                 /* kernel programs are being put back; main thread only */
	struct {                      /* the process before an upgrade, while it has sessions */
		_Atomic int32_t pid;  /* 0: none */
		_Atomic uint32_t sessions;
	} before;
	_Atomic uint64_t backend_down[CONFIG_BACKENDS]; /* ms, CLOCK_MONOTONIC: left out until then;
							   0: it answers */
	_Atomic uint32_t backend_losses[CONFIG_BACKENDS];    /* connections lost since an answer */
	_Atomic uint32_t backend_unwelcome[CONFIG_BACKENDS]; /* clients refused since one was not */
	_Atomic uint32_t backend_standing[CONFIG_BACKENDS];  /* connections greeted and not left */
	_Atomic uint64_t backend_full[CONFIG_BACKENDS];      /* ms, CLOCK_MONOTONIC: until then it
								counts as full */
	/* In the order of the settings: ailment.c's alone. */
	struct ailment ailments[CONFIG_TARGETS];
	/* What the mail servers offer, each and together: offers.c's alone. */
	struct offer offers[CONFIG_TARGETS]; /* in the order of the settings */
	int offer_count;
	bool offers_changed; /* since they were written to state_dir */
	pthread_mutex_t offers_lock;
	_Atomic uint32_t offered;
	_Atomic uint64_t offered_size;
	uint64_t queued, settled; /* items of everyone else: last pushed, last answered */
	int unsettled; /* -errno for which that one waits to be written; 0: it is on disk */
	struct {       /* settings that were replaced, under config_lock */
		const struct config *config;
		const struct tls_context *tls, *tls_client;
	} * kept;
	size_t kept_count;
	pthread_mutex_t config_lock;
	struct ends ends; /* of entries behind which something else is: ending.c's alone */
	/* Serialises writers of verdicts, fastpath and their store items. */
	pthread_mutex_t verdict_lock;
};

/* CLOCK_REALTIME in s. */
uint32_t daemon_now(void);
uint64_t daemon_count(const struct daemon *d, enum counter which);
void daemon_counted(struct daemon *d, enum counter which); /* one more; any thread */

/*
 * One verdict, everywhere: RAM, kernel map, store queue. Effective when it returns: the next SYN
 * and the next accept see it. reason: words for people; NULL: the entry only
 * slides and keeps its reason and the time it was made. 0, -ENOSPC, -EPERM: a load balancer's
 * address is never denied; -EEXIST: greylist.exempt has the prefix, of which only operators say
 * otherwise, or they have said so already. Any thread.
 */
int daemon_verdict_put(struct daemon *d, const struct prefix *p, const struct verdict_entry *e,
		       const char *reason);
/* How long an earned entry lives on after its last use. s */
uint32_t daemon_keep(const struct config *c, enum gg_origin origin);
/* When an entry seen at `seen` is to expire now; 0: not worth a write yet. s */
uint32_t daemon_slide(uint32_t expires, uint32_t seen, uint32_t keep);
int daemon_verdict_del(struct daemon *d, const struct prefix *p); /* -ENOENT */
/* A source is let through for the keep of the policy, because of what it or its network has done;
 * what somebody has said of the prefix before stands. 0, -EEXIST, -ENOSPC. Any thread. */
int daemon_promote(struct daemon *d, const struct prefix *p, uint32_t keep);
/* A source lost its good name, `reason` says why: what it and its network had learned goes, and
 * both begin to earn it anew. Any thread. */
void daemon_demote(struct daemon *d, const struct addr *src, const char *reason);
/* A place in the store's queue, waited for if need be (NULL: there is no store, or it is far
 * behind), and its publishing. Under verdict_lock, so that all who are no workers are one producer.
 */
struct store_item *daemon_store_slot(struct daemon *d);
void daemon_store_push(struct daemon *d, struct store_item *item, bool notice);
/* Waits until what was changed so far through the calls below and above is on disk, for an
 * operator who is about to be told "done". 0; -errno of a store that fails: it waits in memory;
 * -ETIMEDOUT: it is slow; -ENODEV: there is none. Not for workers. */
int daemon_settle(struct daemon *d);
/* Forgets everything about a prefix: verdicts in it, records whose source lies in it. Returns how
 * many. What it costs is what is known of an address; of a wide prefix, a walk that holds nothing.
 * Any thread but the workers. */
size_t daemon_forget(struct daemon *d, const struct prefix *p);
/* Greytraps made at run time: "user@domain", "@domain", or a pattern of them.
 * 0, -EEXIST, -ENOENT, -EINVAL, -ENOSPC (patterns only). */
int daemon_trap_add(struct daemon *d, const char *mailbox);
int daemon_trap_del(struct daemon *d, const char *mailbox);

/* Policy settings of a config, with the installation's key. */
struct policy_conf daemon_policy(const struct daemon *d, const struct config *c);
/* The same of what holds for a recipient. */
struct policy_conf daemon_level(const struct daemon *d, const struct config_level *l);
/* The same with the longest lifetimes that any recipient's records have: for those who do not know
 * whose record it is. */
struct policy_conf daemon_lifetimes(const struct daemon *d, const struct config *c);

/* Queues a copy of an item. */
void daemon_store_again(struct daemon *d, const struct store_item *from);
/* A record that another process changed, here and in the store, unless ours is newer:
 * false. */
bool daemon_record_take(struct daemon *d, const struct store_item *from);
/* Forgets in the store a record that is gone here. */
void daemon_record_gone(struct daemon *d, const struct record *r);
/* Forgets a record, here and in the store. */
void daemon_record_drop(struct daemon *d, uint64_t tag);

/* Fills records, verdicts and traps from the store; before the writer runs. Verdicts, made for
 * `room` of them, are made again for more where operators' ones did not find any. */
int daemon_load(struct daemon *d, size_t room);
/* table_edit_fn that stores a struct record as it is. */
bool daemon_edit_put(struct cell *cell, bool found, void *record);
/* Carries over what settings make beyond themselves: exempt networks, trap addresses, lifetimes.
 * from: NULL at start. */
void daemon_apply(struct daemon *d, const struct config *from, const struct config *to);
/* What is protected, by the settings and this machine's addresses, is that in the kernel from now
 * on; not while its maps are lent. What fails is logged, and tried again. Under config_lock. */
void daemon_endpoints(struct daemon *d);
/* Of fastpath_unguarded, %d, for the log and status. */
#define DAEMON_UNGUARDED                                                                           \
	"%d protected endpoints have no room in the kernel's map and are not guarded by it: the "  \
	"daemon decides there alone; name in listen the addresses that are used instead of "       \
	"0.0.0.0 and [::]"
/* Once a second from the main thread: heartbeat, last_seen, expired entries, addresses. That the
 * kernel hears of us is to prove that this thread turns, signals and verdicts with it: so nothing
 * that it does may read files of lists, or wait for somebody who does. */
void daemon_tick(struct daemon *d);

/* The certificates that the settings name; *ret NULL when they name none. 0, -EINVAL and why. */
int daemon_tls(const struct config *c, struct tls_context **ret_server,
	       struct tls_context **ret_client, char *err, size_t err_size);
/* Reads the config file again; a bad one changes nothing: -EINVAL and the complaints in err. 0: it
 * is in force, also in the kernel. Either is logged. The thread of reloader.h, which others ask. */
int daemon_reload(struct daemon *d, char *err, size_t err_size);

#endif
