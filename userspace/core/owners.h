/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where in a table cells of an owner may stand, without a list of them: the table's buckets are
 * divided into regions of some hundred cells, and each has a Bloom filter of the owners of its
 * cells. The filters lie across: for each bit of a filter a row, with one bit for each region. So
 * the regions of an owner are found by reading four rows, a thousandth of the filters.
 *
 * An owner stays noted when its cells are gone: the filters are made anew, beside those in use, by
 * who goes through the table anyway. A table whose cells are replaced several times meanwhile fills
 * its filters: a sweep then goes through more of it, at most through all.
 */
#ifndef CORE_OWNERS_H
#define CORE_OWNERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "table.h"

struct owners;

/* Whose cell this is, any number: true and *ret, or false: nobody's. Pure; runs with the bucket
 * held. */
typedef bool (*owners_of_fn)(const struct cell *c, uint64_t *ret);

/* For a table that nobody else uses yet and that outlives its owners. Memory: a sixteenth of the
 * table's, touched as it fills. -ENOMEM. */
int owners_new(struct table *t, owners_of_fn of, struct owners **ret);
void owners_free(struct owners **o);

/* As a table_sweep of the whole table that sees every cell of the owner that stood there when it
 * began, and by chance others. Any thread. */
void owners_sweep(struct owners *o, uint64_t owner, table_see_fn see, void *arg);

/* One of so many steps of a table_sweep of the whole table, over and over; each round makes the
 * filters anew. One thread. */
void owners_renew(struct owners *o, size_t steps, table_see_fn see, void *arg);

#endif
