/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whom our users write to: their answers need not wait. Domains (by what registered them) in a
 * table of their own, hosts as allowed sources with the origin correspondent, each with a lifetime
 * that begins anew with every use.
 *
 * Hosts are let past; a sender is of a domain only where SPF or its confirmed name prove it. What
 * the operator, a list or a trap has said of a host stands.
 */
#ifndef GREYGATE_CORRESPONDENTS_H
#define GREYGATE_CORRESPONDENTS_H

#include "daemon.h"

struct correspondent {
	bool host; /* prefix is an address, else name a domain */
	struct prefix prefix;
	char name[POLICY_MAILBOX]; /* canonical */
	uint32_t added, expires;   /* s */
	uint32_t life;             /* s, from each use on */
};

/* An address (host), a mailbox (its domain) or a domain. -EINVAL; -EDOM: a public suffix, or
 * nothing that anybody registered. */
int correspondent_parse(const char *text, struct correspondent *ret);

/* Enters it for `life` seconds from now, or renews it. 0; -EEXIST: what is known of the host
 * stands; -EADDRINUSE: it is of our own side (a mail server here, a hosted domain); -ENOSPC. Any
 * thread. */
int correspondent_add(struct daemon *d, struct correspondent *c, uint32_t life);
int correspondent_del(struct daemon *d, const struct correspondent *c); /* -ENOENT */

/* Whether the evidence proves the source to be of such a domain, which is then used. A worker. */
bool correspondent_writes(struct daemon *d, const struct policy_conf *policy,
			  const struct policy_evidence *e, const struct addr *src, uint32_t now);
/* Expiry of the domain with this name as of now; 0: it is none (any more). */
uint32_t correspondent_until(const struct daemon *d, const char *name);

/* A row of the store. */
void correspondent_load(struct daemon *d, const struct store_item *item);
/* Lets go of some of what is over. The main thread. */
void correspondents_sweep(struct daemon *d);

#endif
