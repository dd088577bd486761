// SPDX-License-Identifier: GPL-2.0-or-later
#include <sched.h>

#include "swap.h"

const void *swap_enter(struct swap *s, unsigned *ret_side)
{
	*ret_side = atomic_load(&s->side) & 1;
	atomic_fetch_add(&s->sides[*ret_side].readers, 1);
	return atomic_load(&s->value);
}

void swap_leave(struct swap *s, unsigned side)
{
	atomic_fetch_sub(&s->sides[side].readers, 1);
}

/* Each side is waited for while new readers come in on the other one: both, because a reader may
 * have looked up its side before the last change and come in there only after it. */
void *swap_replace(struct swap *s, void *value)
{
	void *old = atomic_exchange(&s->value, value);

	for (int i = 0; i < 2; i++) {
		unsigned side = atomic_fetch_add(&s->side, 1) & 1;

		while (atomic_load(&s->sides[side].readers))
			sched_yield();
	}
	return old;
}
