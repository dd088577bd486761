/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why mail does not go to a mail server, for who asks: as the last connection that was of no use
 * has shown. Mail servers by their place in the settings, see config_targets. Any thread.
 */
#ifndef GREYGATE_AILMENT_H
#define GREYGATE_AILMENT_H

#include "daemon.h"
#include "relay/upstream.h"

/* How a connection to it ended. */
struct ailment_end {
	const struct upstream *up; /* as far as the greeting came; NULL: it was lost later */
	bool distrusted;           /* by its certificate */
	const char *why;           /* words for the log; not kept */
};

void ailment_note(struct daemon *d, int which, const struct ailment_end *end);
void ailment_clear(struct daemon *d, int which);
void ailment_clear_all(struct daemon *d);

/* enum ailment_cause of it, with its words in *ret. AILMENT_NONE: nothing is known. */
enum ailment_cause ailment_of(struct daemon *d, int which, struct ailment *ret);
/* Its stable word, and what an operator can do about it. */
const char *ailment_word(enum ailment_cause cause);
const char *ailment_mend(enum ailment_cause cause);

#endif
