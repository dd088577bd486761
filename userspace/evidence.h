/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is gathered of a client by DNS while it is in session: evidence.c of a worker. Nothing here
 * ever holds a session back, but for a recipient of a client that was stuttered, which may wait a
 * second at most for its sender's policy, and one that would be trapped, as long for what could
 * exempt it.
 */
#ifndef GREYGATE_EVIDENCE_H
#define GREYGATE_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "dns/resolver.h"
#include "dns/spf.h"
#include "policy/evidence.h"

#define EVIDENCE_NAMES 4     /* names of a client that are looked at */
#define EVIDENCE_CHECKS 2048 /* SPF checks of a worker at once */

struct worker;
struct session;

struct evidence {
	uint16_t generation;
	uint32_t pending; /* bits of parts that are asked */
	uint32_t untold;  /* bits of lists that gave no answer, or refused one */
	uint32_t session;
	uint32_t check;      /* POOL_NONE: none at work */
	uint32_t stuttered;  /* ms the client was held before its dialog */
	uint64_t wait_until; /* ms, of the recipient that waits */
	bool waited;         /* its recipients have waited once for the sender at hand */
	bool held;           /* so has one that would be trapped, for all that is pending */
	bool unsure;         /* a name could not be looked up */
	uint8_t name_count, name_at;
	struct addr src;
	const struct config *config; /* whose lists were asked */
	struct policy_evidence found;
	char names[EVIDENCE_NAMES][DNS_NAME];
};

struct check {
	uint16_t generation;
	uint32_t evidence;
	uint64_t began; /* ms */
	struct spf spf;
};

/* err names the cause and the mend. */
int evidence_make(struct worker *w, const struct config *c, char *err, size_t err_size);
void evidence_unmake(struct worker *w);
/* Every turn of the loop. */
void evidence_tick(struct worker *w);

/* A client of unknown standing was accepted: asks for its name and the lists. */
void evidence_begin(struct worker *w, uint32_t n);
/* Its dialog begins. */
void evidence_dialog(struct worker *w, uint32_t n);
/* MAIL was accepted: asks for the policy of the sender's domain. */
void evidence_mail(struct worker *w, uint32_t n);
void evidence_end(struct worker *w, struct session *s);
/* What is known so far; NULL: nothing was asked. */
const struct policy_evidence *evidence_of(struct worker *w, const struct session *s);
/* What its address is called, for the mail server: the confirmed name, the first one that the
 * address leads to (NULL: none known); unsure: the name servers did not tell. They hold until the
 * session ends. */
void evidence_names(struct worker *w, const struct session *s, const char **ret_name,
		    const char **ret_reverse, bool *ret_unsure);
/* Whether the recipient in smtp.forward is to wait: judge_recipient is called again then. */
bool evidence_wait(struct worker *w, uint32_t n);
/* Whether there is a list that DNS could lead to, and which would exempt a source from traps. */
bool evidence_may_exempt(const struct worker *w);
/* Whether something is not known that could still exempt the source from a trap: its name, where a
 * list allows names; a DNS list of good sources. sender: all that could prove whose host it is. */
bool evidence_missing(struct worker *w, const struct session *s, bool sender);
/* Asks of a client of whom nothing was asked, as of learned sources; false: that was done already,
 * or can't be. What was in memory is known then. */
bool evidence_ask(struct worker *w, uint32_t n);
/* Whether the recipient is to wait for what is missing, as in evidence_wait. */
bool evidence_hold(struct worker *w, uint32_t n);
/* An entry of the drip wheel fired while it waits. */
void evidence_overdue(struct worker *w, uint32_t n);

/* Words of enum evidence_name and enum evidence_spf. */
const char *evidence_name_text(uint8_t state);
const char *evidence_spf_text(uint8_t state);

#endif
