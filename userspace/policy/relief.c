// SPDX-License-Identifier: GPL-2.0-or-later
#include "relief.h"

static const char *const words[RELIEF_STEPS] = {
	[RELIEF_NONE] = "none",
	[RELIEF_SHORTER] = "shorter",
	[RELIEF_UNSTUTTERED] = "unstuttered",
	[RELIEF_REFUSE] = "refuse",
};

const char *relief_text(enum relief_step step)
{
	return words[step];
}

enum relief_step relief_next(enum relief_step step, uint64_t open, uint64_t limit,
			     const struct relief_conf *c)
{
	while (step < RELIEF_REFUSE && open * 100 >= limit * c->enter[step + 1])
		step++;
	while (step > RELIEF_NONE && open * 100 < limit * (c->enter[step] - c->leave))
		step--;
	return step;
}
