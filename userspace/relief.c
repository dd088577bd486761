// SPDX-License-Identifier: GPL-2.0-or-later
#include "relief.h"

#include "core/log.h"

static void say(const struct config *c, enum relief_step from, enum relief_step to, int64_t open)
{
	struct log_line l;

	log_begin(&l, LOG_LIMIT);
	log_str(&l, "reason", "relief");
	log_str(&l, "verdict", to > from ? "enter" : "leave");
	log_str(&l, "step", relief_text(to));
	log_str(&l, "from_step", relief_text(from));
	log_int(&l, "sessions", open);
	log_int(&l, "limit", c->limit.sessions);
	log_end(&l);
}

void relief_look(struct daemon *d, const struct config *c)
{
	int64_t open = atomic_load_explicit(&d->sessions.value, memory_order_relaxed);
	uint8_t from = atomic_load_explicit(&d->relief.step, memory_order_relaxed), to;

	to = (uint8_t)relief_next((enum relief_step)from, open > 0 ? (uint64_t)open : 0,
				  c->limit.sessions, &c->relief.steps);
	/* Of several who notice at once one speaks. */
	if (to == from || !atomic_compare_exchange_strong(&d->relief.step, &from, to))
		return;
	atomic_store_explicit(&d->relief.since, daemon_now(), memory_order_relaxed);
	for (int step = from + 1; step <= to; step++)
		atomic_fetch_add_explicit(&d->relief.entered[step], 1, memory_order_relaxed);
	say(c, (enum relief_step)from, (enum relief_step)to, open);
}
