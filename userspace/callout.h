/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection of our own to a mail server, in nobody's name, for what we want to know ourselves:
 * what it offers (probe.c), whom it takes mail for (verifier.c). TLS as for mail (tls backend),
 * never XCLIENT. Nothing blocks: the caller polls the descriptor. One thread.
 */
#ifndef GREYGATE_CALLOUT_H
#define GREYGATE_CALLOUT_H

#include "daemon.h"
#include "relay/upstream.h"
#include "tls/tls.h"

#define CALLOUT_READ 4096

struct callout {
	int fd; /* -1: none */
	struct endpoint peer;
	uint64_t touched; /* ms, CLOCK_MONOTONIC: last sign of life */
	bool shaking, secured;
	bool distrusted;   /* it was lost by the certificate */
	bool in_the_clear; /* a handshake failed, and it may be done without */
	struct upstream up;
	struct upstream_out out;
	struct tls tls;
	const char *why;
	char tls_why[240];
	size_t len, at; /* of text: read, used */
	char text[CALLOUT_READ + TLS_RECORD];
};

enum callout_event {
	CALLOUT_NOTHING,
	CALLOUT_READY, /* greeted: up is idle */
	CALLOUT_REPLY, /* to what was said, whole, and nothing behind it: up.code, up.reply */
	CALLOUT_LOST,  /* closed; callout_why */
};

/* ms of CLOCK_MONOTONIC. */
uint64_t callout_now(void);
/* Memory that is all zero but for fd -1 is a callout that is not open. */
static inline bool callout_is_open(const struct callout *c)
{
	return c->fd >= 0;
}
/* Begins to connect. 0 or a negative errno. */
int callout_open(struct callout *c, const struct config *conf, const struct endpoint *peer);
void callout_close(struct callout *c);
/* What to poll the descriptor for. */
short callout_events(const struct callout *c);
/* It has kept its caller waiting for too long: true when it begins again in the clear, as where the
 * handshake fails; else it is closed. */
bool callout_late(struct callout *c, const struct config *conf);
/* After poll: what has come of it. */
enum callout_event callout_step(struct callout *c, const struct daemon *d, short revents);
/* Says what is in c->out. False: it is lost. */
bool callout_say(struct callout *c);
/* Words for the log; of the last CALLOUT_LOST. */
const char *callout_why(const struct callout *c);

#endif
