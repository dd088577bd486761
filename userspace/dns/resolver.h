/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions to name servers, for one thread and driven by its loop: nothing here blocks or waits.
 *
 * The owner polls descriptors when it is told to, calls resolver_ready when one of them is ready
 * and resolver_tick in between. Questions that are alike travel once; their answers are kept for
 * the next one who asks, also "there is none" and failures. A question ends within conf.timeout,
 * give or take a tick.
 */
#ifndef DNS_RESOLVER_H
#define DNS_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/addr.h"
#include "answer.h"

#define RESOLVER_SERVERS 8
/* Questions on their way at once. Beyond that, and but for ten a second while no server answers,
 * they are not asked and the answer is DNS_FAILED. */
#define RESOLVER_QUESTIONS 4096
#define RESOLVER_WAITERS 16384
#define RESOLVER_TICK 50 /* ms */

/* Who asked: the owner's, given back with the answer. */
struct dns_asker {
	uint32_t number;
	uint16_t generation, part;
};

struct resolver_hooks {
	/* Wait once for events (POLLIN, POLLOUT) on fd, then call resolver_ready with slot and
	 * generation. */
	void (*poll)(void *arg, int fd, unsigned events, uint32_t slot, uint16_t generation);
	/* That one is not needed any more; fd is about to be closed. */
	void (*cancel)(void *arg, uint32_t slot, uint16_t generation);
	/* The answer to a question that was not answered at once. May ask further questions. */
	void (*done)(void *arg, struct dns_asker who, const struct dns_answer *a);
	void *arg;
};

struct resolver_conf {
	const struct endpoint *servers; /* none: those of /etc/resolv.conf */
	int server_count;
	uint64_t timeout;   /* ms */
	uint32_t cache;     /* answers kept */
	const uint8_t *key; /* 16 bytes of secret */
	struct resolver_hooks hooks;
};

struct resolver;

/* -ENOMEM, -EINVAL; err names the cause. */
int resolver_new(const struct resolver_conf *conf, struct resolver **ret, char *err,
		 size_t err_size);
/* Askers that wait are not called. */
void resolver_free(struct resolver **r);

/*
 * Asks. The answer when it is known at once (kept, or the name can't be asked for): it stays valid
 * until the next question. Else NULL, and hooks.done is called later.
 */
const struct dns_answer *resolver_ask(struct resolver *r, const char *name, enum dns_type type,
				      struct dns_asker who, uint64_t now);
/* events: what poll said; an error counts as readable. */
void resolver_ready(struct resolver *r, uint32_t slot, uint16_t generation, unsigned events,
		    uint64_t now);
/* Ends what has waited too long. To be called every RESOLVER_TICK while anything is on its way;
 * cheap when there is nothing to do. */
void resolver_tick(struct resolver *r, uint64_t now);
/* ms until the next tick has work, at most `limit`. */
uint64_t resolver_wait(const struct resolver *r, uint64_t now, uint64_t limit);

struct resolver_stats {
	uint64_t asked;    /* questions that went to a server */
	uint64_t kept;     /* answered from the cache */
	uint64_t joined;   /* travelled with one that was on its way */
	uint64_t failed;   /* refused, failed or damaged */
	uint64_t timeouts; /* no answer in time */
	uint64_t unasked;  /* too many were on their way */
};
const struct resolver_stats *resolver_stats(const struct resolver *r);
/* ms an answer takes, as a moving average of those that came. */
uint32_t resolver_usual(const struct resolver *r);
/* No server has answered anything of late. */
bool resolver_dead(const struct resolver *r);

#endif
