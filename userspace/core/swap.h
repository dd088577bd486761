/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A value that threads read while another one replaces it whole: they see the old one or the new
 * one, never wait, and the old one comes back when nobody reads it any more.
 */
#ifndef CORE_SWAP_H
#define CORE_SWAP_H

#include <stdatomic.h>

struct swap_side {
	_Alignas(64) atomic_uint readers;
};

/* All zero: holds NULL. */
struct swap {
	_Atomic(void *) value;
	atomic_uint side; /* the lowest bit: where readers come in */
	struct swap_side sides[2];
};

/* The value, good until swap_leave with the same side. Any thread; not across a wait. */
const void *swap_enter(struct swap *s, unsigned *ret_side);
void swap_leave(struct swap *s, unsigned side);

/* Readers get `value` from now on. Returns the one before, which is the caller's again; waits for
 * its readers, for microseconds. One writer at a time. */
void *swap_replace(struct swap *s, void *value);

#endif
