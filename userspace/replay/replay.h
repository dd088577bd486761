/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Attempts of a log through the greylist, with the log's own time. Same settings, same log, same
 * verdicts: the key of tags and jitter is fixed. One thread.
 */
#ifndef REPLAY_REPLAY_H
#define REPLAY_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/addr.h"
#include "../core/spread.h"
#include "../policy/policy.h"

struct replay_attempt {
	uint64_t time; /* ms from any beginning, below 2^31 s; going back stands still */
	struct addr src;
	const char *helo;   /* "": not known */
	const char *sender; /* "": null */
	const char *recipient;
	struct policy_evidence evidence;
};

/* What a list of prefixes and trap addresses in the settings adds to the policy's. */
struct replay_conf {
	struct policy_conf policy; /* key is not read */
	/* What holds for a recipient instead; NULL: nothing else for any. */
	const struct policy_conf *(*policy_of)(const char *recipient, const void *arg);
	const void *policy_arg;
	const struct prefix *exempt;
	int exempt_count;
	char *const *traps;  /* user@domain or @domain, and patterns */
	char *const *hosted; /* domains; none: all are */
	int trap_count, hosted_count;
	uint32_t trap_life, trap_max; /* s */
	bool compare;                 /* ask the peers too */
};

/* Whose verdict. */
enum replay_policy { REPLAY_OURS, REPLAY_SPAMD, REPLAY_POSTGREY, REPLAY_POLICIES };

struct replay_answer {
	const char *verdict; /* words of the log: pass, grey, allow, deny */
	const char *reason, *delay_class, *identity;
	uint32_t wait; /* s */
	bool passed[REPLAY_POLICIES];
};

struct replay;

/* -ENOMEM */
int replay_new(const struct replay_conf *c, struct replay **ret);
void replay_free(struct replay **r);
/* The next attempt. -ENOMEM. */
int replay_next(struct replay *r, const struct replay_attempt *a, struct replay_answer *ret);

/* ---- what came of it ---- */

struct replay_totals {
	uint64_t attempts, passed, deferred, denied;
	uint64_t mails, never; /* mails: distinct normalised sender and recipient */
};

struct replay_totals replay_total(const struct replay *r, enum replay_policy p);
/* First-pass delays by the sender's domain, "" for the null sender. -ENOMEM. */
int replay_domains(struct replay *r, enum replay_policy p, spread_see_fn see, void *arg);

/* ---- readers ---- */

enum replay_column {
	COLUMN_TIME,
	COLUMN_IP,
	COLUMN_HELO,
	COLUMN_SENDER,
	COLUMN_RECIPIENT,
	COLUMN_RDNS,
	COLUMN_SPF,
	COLUMN_MAX
};

#define REPLAY_WHY 200

/* Tab-separated values: a header names the columns, in any order; others may stand among them. */
struct replay_tsv {
	int column[COLUMN_MAX]; /* -1: not there */
	int count;
};

/* Both work on a line without its end and change it; strings of the attempt lie in it. -EINVAL
 * with words in why. */
int replay_tsv_header(struct replay_tsv *t, char *line, char why[REPLAY_WHY]);
int replay_tsv_row(const struct replay_tsv *t, char *line, struct replay_attempt *ret,
		   char why[REPLAY_WHY]);

/* Evidence as a log has it. name: confirmed, "" for none, NULL for not known. spf: a word of
 * RFC 7208, "" or NULL for not known. -EINVAL for another word. */
int replay_evidence(struct replay_attempt *a, const char *name, const char *spf);

/* A Postfix mail log, lines in any form of syslog. Mail it accepted and RCPT it refused for another
 * reason than the recipient become attempts. */
struct replay_postfix;

int replay_postfix_new(struct replay_postfix **ret);
void replay_postfix_free(struct replay_postfix **p);
/* One line; most lines say nothing. -ENOMEM. */
int replay_postfix_line(struct replay_postfix *p, const char *line);
/* Whether any line so far was one of Postfix, whatever it said. */
bool replay_postfix_known(const struct replay_postfix *p);
/* All attempts in order of time; after the last line. see returns 0 or an error that ends it. */
typedef int (*replay_attempt_fn)(const struct replay_attempt *a, void *arg);
int replay_postfix_each(struct replay_postfix *p, replay_attempt_fn see, void *arg);

#endif
