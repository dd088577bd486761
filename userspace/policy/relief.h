/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is done without as the sessions open at once come near their limit, a step at a time: a
 * shorter stutter, no stutter of those who are denied, no sessions for strangers. A step is left
 * again only when the load has fallen well below where it was taken. Pure.
 */
#ifndef POLICY_RELIEF_H
#define POLICY_RELIEF_H

#include <stdint.h>

enum relief_step {
	RELIEF_NONE,
	RELIEF_SHORTER,     /* strangers are stuttered for a shorter time */
	RELIEF_UNSTUTTERED, /* and who is denied is told so at once */
	RELIEF_REFUSE,      /* and of new sessions only those of allowed sources are taken */
	RELIEF_STEPS
};

struct relief_conf {
	uint32_t enter[RELIEF_STEPS]; /* percent of the limit; not falling; that of RELIEF_NONE
					 does not count */
	uint32_t leave;               /* so many percent of the limit below; less than each */
};

/* The step after `step` with so many sessions open. */
enum relief_step relief_next(enum relief_step step, uint64_t open, uint64_t limit,
			     const struct relief_conf *c);
/* "none", "shorter", "unstuttered", "refuse". */
const char *relief_text(enum relief_step step);

#endif
