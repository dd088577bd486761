/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows of the control commands: what a verdict, a record or a decision looks like in JSON. The
 * keys are named in greygate(1). Times are seconds since 1970.
 */
#ifndef GREYGATE_COMMANDS_ROWS_H
#define GREYGATE_COMMANDS_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "control/control.h"
#include "daemon.h"

/* Text of a client or an operator as a JSON string; bytes that are no UTF-8 become "?". */
json_t *row_text(const char *text);
/* What the kernel does with an address, by whatever entry, or NULL without a fast path. */
json_t *row_found(const struct daemon *d, const struct addr *a, enum gg_verdict *ret,
		  enum gg_action *ret_action);
json_t *row_verdict(const struct daemon *d, const struct prefix *p, const struct verdict_entry *e,
		    const char *reason, uint32_t added);
/* source: full address if known, else NULL; from and to may be NULL. */
json_t *row_record(const struct daemon *d, const struct record *r, const struct prefix *source,
		   const char *from, const char *to);
/* The keys that hold for a recipient, each with the section that set it. */
json_t *row_settings(const struct config_level *l);
json_t *row_decision(const struct recent_entry *e);

/* ---- walks over what is known ---- */

struct record_filter {
	uint8_t state;           /* enum record_state; RECORD_NONE: grey and passed */
	uint64_t tag;            /* 0: any */
	const struct addr *addr; /* NULL: any */
};
struct found_record {
	const struct record *rec;
	const struct prefix *source; /* NULL: only rec->net is known */
	const char *from, *to;       /* NULL: not known */
};
typedef void (*found_record_fn)(const struct found_record *f, void *arg);

/* Every live record that matches, each once: the store gives the words, RAM has the last say. A
 * control_fail was made when it is not 0. */
int records_each(struct daemon *d, struct control_reply *r, const struct record_filter *filter,
		 found_record_fn see, void *arg);

/* The words the store keeps beside verdicts, for as many of them as fit. */
struct reason {
	struct prefix prefix;
	uint32_t added;
	char text[STORE_TEXT];
};
struct reasons {
	struct reason *list;
	size_t count;
};
int reasons_load(struct daemon *d, struct control_reply *r, struct reasons *ret);
void reasons_free(struct reasons *rs);
/* NULL: none. */
const struct reason *reasons_find(const struct reasons *rs, const struct prefix *p);

/* Greytrap addresses, of the configuration and made at run time, each once; the row is see's. */
typedef void (*trap_row_fn)(json_t *row, void *arg);
int traps_each(struct daemon *d, struct control_reply *r, trap_row_fn see, void *arg);

/* A walk of all of a kind that are on disk, with its failure told. */
int walk_store(struct daemon *d, struct control_reply *r, enum store_kind kind, store_see_fn see,
	       void *arg);
/* Whether the store can be asked. */
bool store_healthy(const struct daemon *d);

#endif
