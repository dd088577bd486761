/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of recipients before any mail for them is let through: a bounded memory of what the
 * mail server said of each, of the domains in which it says yes to anything, and the queue of those
 * it is yet to be asked about. The asking is verifier.c's.
 *
 * A recipient is known by its local part as it is written, its domain in any case, and the mail
 * server that was asked: VERIFY_BACKENDS, the list in order, or in gateway mode the number of the
 * endpoint in protect. Times are s of CLOCK_REALTIME. Nothing is allocated after verify_new.
 */
#ifndef GREYGATE_VERIFY_H
#define GREYGATE_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/hash.h"

#define VERIFY_BACKENDS 255
#define VERIFY_MAILBOX 256 /* and a NUL: as SMTP_PATH */
#define VERIFY_REPLY 504   /* of a refusal; a longer one is cut at a line's end */
#define VERIFY_DOMAINS 64  /* in which anything is taken: so many are named */

enum verify_state {
	VERIFY_NOTHING, /* not asked */
	VERIFY_ASKED,   /* its answer is awaited */
	VERIFY_UNASKED, /* too many wait already */
	VERIFY_VALID,
	VERIFY_UNKNOWN, /* refused: the reply says how */
	VERIFY_UNCLEAR, /* asked in vain; asked again after a while */
	VERIFY_ANY,     /* of a domain: anything in it is taken, so nobody in it is asked about */
	VERIFY_SELECT,  /* of a domain: not anything is */
	VERIFY_STATES
};

/* "valid", "unknown", ...; NULL for VERIFY_NOTHING and VERIFY_SELECT. */
const char *verify_text(enum verify_state s);

struct verify_reply {
	uint16_t len, code;
	char text[VERIFY_REPLY + 4]; /* verbatim, CRLF included, and a NUL */
};

struct verify_answer {
	enum verify_state state;
	uint32_t since, until;
	struct verify_reply reply; /* VERIFY_UNKNOWN only */
};

struct verify_request {
	uint32_t asked; /* s */
	uint8_t target;
	char mailbox[VERIFY_MAILBOX + 1];
};

struct verify;

/* entries: most recipients and domains. producers: threads that may ask. -ENOMEM, -EINVAL. */
int verify_new(const uint8_t key[HASH_KEY], size_t entries, int producers, struct verify **ret);
void verify_free(struct verify **v);

/* ---- any thread ---- */

/* Stands for the mailbox. */
uint64_t verify_tag(const struct verify *v, uint8_t target, const char *mailbox);
/* What holds for the mailbox now. */
enum verify_state verify_find(const struct verify *v, uint8_t target, const char *mailbox,
			      uint32_t now, struct verify_answer *ret);
/* Everything is to be asked anew: the mail server may have changed. */
void verify_forget(struct verify *v);
size_t verify_count(const struct verify *v);
/* The mail server took it in a transaction, which is as good as an answer. */
void verify_accepted(struct verify *v, uint8_t target, const char *mailbox, uint32_t now,
		     uint32_t life);

struct verify_domain {
	char name[VERIFY_MAILBOX + 1];
	uint32_t until;
};
/* Domains in which anything is taken; how many, at most VERIFY_DOMAINS. */
int verify_domains(struct verify *v, uint32_t now, struct verify_domain *ret);

/* ---- a producer ---- */

/* The same, and has the mail server asked where it was not yet and there is room: one question at a
 * time for each recipient, whoever asks. Wakes the verifier. */
enum verify_state verify_ask(struct verify *v, int producer, uint8_t target, const char *mailbox,
			     uint32_t now, struct verify_answer *ret);

/* ---- the verifier ---- */

/* The next one to ask about, oldest first of each producer; false: there is none. */
bool verify_next(struct verify *v, struct verify_request *ret);
/* What became of it, for so many s. reply: VERIFY_UNKNOWN only. */
void verify_answered(struct verify *v, const struct verify_request *r, enum verify_state state,
		     uint32_t now, uint32_t life, const char *reply, size_t len);
/* The same of its domain: VERIFY_ANY or VERIFY_SELECT. True: that is news. */
bool verify_domain_is(struct verify *v, const struct verify_request *r, enum verify_state state,
		      uint32_t now, uint32_t life);
enum verify_state verify_domain_of(const struct verify *v, const struct verify_request *r,
				   uint32_t now);
/* Becomes readable with a question; belongs to v. */
int verify_fd(const struct verify *v);

#endif
