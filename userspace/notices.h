/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells workers that questions about recipients (verify.h) are settled, so that the sessions that
 * wait for them go on. A notice says where to look; what is known stands in verify.h by then.
 *
 * A worker that says first that somebody waits, and looks for the answer afterwards, misses none.
 * Nothing is allocated after notices_new.
 */
#ifndef GREYGATE_NOTICES_H
#define GREYGATE_NOTICES_H

#include <stdbool.h>
#include <stdint.h>

struct notices;

/* -ENOMEM, -EINVAL, or -errno of eventfd(2). */
int notices_new(int workers, struct notices **ret);
void notices_free(struct notices **n);

/* ---- the verifier ---- */

/* question: its verify_tag. Workers in which nobody waits are left alone. */
void notices_put(struct notices *n, uint64_t question);

/* ---- any thread ---- */

/* Whatever this worker, or any, has asked may be settled. */
void notices_look(struct notices *n, int worker);
void notices_look_all(struct notices *n);

/* ---- a worker ---- */

/* One more session waits, or one less. */
void notices_await(struct notices *n, int worker);
void notices_forgo(struct notices *n, int worker);
/* Becomes readable with a notice; belongs to n. */
int notices_fd(const struct notices *n, int worker);
/* Questions that are settled, in their order: at most max, and less when that was all. *ret_all:
 * others may be, too. */
int notices_take(struct notices *n, int worker, uint64_t *ret, int max, bool *ret_all);

#endif
