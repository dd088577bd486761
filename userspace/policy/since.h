/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ages: the difference of two times in 32-bit seconds, right across the wrap of 2106; 0 when `then`
 * lies ahead of `now`. */
#ifndef POLICY_SINCE_H
#define POLICY_SINCE_H

#include <stdbool.h>
#include <stdint.h>

#include "../core/records.h"

static inline bool ahead(uint32_t then, uint32_t now)
{
	return (int32_t)(now - then) < 0;
}

static inline uint32_t since(uint32_t then, uint32_t now)
{
	return ahead(then, now) ? 0 : now - then;
}

/* Whole seconds that a grey record has waited at `now` and ms thousandths. */
static inline uint32_t waited(const struct record *r, uint32_t now, uint16_t ms)
{
	uint32_t s = since(r->first, now);

	return s && ms < r->took ? s - 1 : s;
}

#endif
