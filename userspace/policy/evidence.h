/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of a session beyond its address, as values: gathered by dns/ and the session while
 * it stutters, read by the policy. Everything is optional: late or missing evidence is "not known",
 * which is never held against anybody by itself.
 */
#ifndef POLICY_EVIDENCE_H
#define POLICY_EVIDENCE_H

#include <stdbool.h>
#include <stdint.h>

#define EVIDENCE_NAME 256 /* a domain name with NUL */

/* RFC 7208 2.6, plus "not asked or not answered in time". */
enum evidence_spf {
	SPF_UNKNOWN,
	SPF_NONE,
	SPF_NEUTRAL,
	SPF_PASS,
	SPF_FAIL,
	SPF_SOFTFAIL,
	SPF_TEMPERROR,
	SPF_PERMERROR,
};

enum evidence_name {
	NAME_UNKNOWN,     /* not asked, no answer in time, server failure */
	NAME_NONE,        /* the address has no PTR */
	NAME_UNCONFIRMED, /* a PTR whose name does not lead back to the address */
	NAME_CONFIRMED,
};

struct policy_evidence {
	uint8_t name_state;    /* enum evidence_name */
	uint8_t spf;           /* enum evidence_spf */
	bool early_talk;       /* spoke before the banner was complete */
	bool early_pipelining; /* commands before EHLO's answer */
	bool bad_helo;         /* not a name or literal, our own name, a literal that lies */
	bool not_smtp;         /* spoke something else */
	bool many_errors;      /* commands that were refused, as many as one session may have */
	bool bad_path;         /* a sender or recipient that RFC 5321 does not allow */
	int16_t list_score;    /* sum of the weights of DNS lists that named it; positive is bad */
	char name[EVIDENCE_NAME];       /* confirmed name, lower case, no dot at the end; else "" */
	char spf_domain[EVIDENCE_NAME]; /* whose policy answered (lower case); else "" */
};

#endif
