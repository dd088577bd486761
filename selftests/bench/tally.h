/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What loadgen counts: sessions, what went wrong, and how long they took. One thread each. */
#ifndef BENCH_TALLY_H
#define BENCH_TALLY_H

#include <stdint.h>
#include <string.h>

#define TALLY_SUB 16 /* histogram cells per power of two: 6 % wide */
#define TALLY_CELLS (40 * TALLY_SUB)

struct tally {
	uint64_t sessions, wrong, failed, stalled;
	uint64_t latency[TALLY_CELLS], longest; /* us */
	char first_wrong[120];
	int last_error; /* -errno of the last failure */
};

/* Of one target, what was taken in each cell of the histogram. */
struct share {
	uint64_t sessions[TALLY_CELLS], sum[TALLY_CELLS]; /* us */
};

static inline unsigned int tally_cell(uint64_t us)
{
	unsigned int top, cell;

	if (us < TALLY_SUB)
		return us;
	top = 63 - __builtin_clzll(us);
	cell = (top - 3) * TALLY_SUB + ((us >> (top - 4)) & (TALLY_SUB - 1));
	return cell < TALLY_CELLS ? cell : TALLY_CELLS - 1;
}

/* Lower end of a cell, us. */
static inline uint64_t tally_cell_floor(unsigned int cell)
{
	unsigned int top = cell / TALLY_SUB + 3;

	return cell < TALLY_SUB ? cell
				: (1ULL << top) + ((uint64_t)(cell % TALLY_SUB) << (top - 4));
}

static inline uint64_t tally_percentile(const struct tally *y, double share)
{
	uint64_t seen = 0, want = (uint64_t)(y->sessions * share);

	for (unsigned int i = 0; i < TALLY_CELLS; i++) {
		seen += y->latency[i];
		if (seen > want)
			return tally_cell_floor(i);
	}
	return 0;
}

/* Mean of the middle half, us: as exact as a mean, and outliers move it no more than a median. */
static inline double share_middle(const struct share *s)
{
	double all = 0, from, to, begin = 0, end, part, sum = 0;

	for (unsigned int i = 0; i < TALLY_CELLS; i++)
		all += s->sessions[i];
	for (unsigned int i = 0; i < TALLY_CELLS; i++, begin = end) {
		end = begin + s->sessions[i];
		from = begin > all / 4 ? begin : all / 4;
		to = end < all * 3 / 4 ? end : all * 3 / 4;
		part = to > from ? (to - from) / s->sessions[i] : 0;
		sum += part * s->sum[i];
	}
	return all ? sum / (all / 2) : 0;
}

static inline void tally_add(struct tally *to, const struct tally *from)
{
	to->sessions += from->sessions;
	to->wrong += from->wrong;
	to->failed += from->failed;
	to->stalled += from->stalled;
	for (unsigned int i = 0; i < TALLY_CELLS; i++)
		to->latency[i] += from->latency[i];
	if (from->longest > to->longest)
		to->longest = from->longest;
	if (!to->first_wrong[0])
		memcpy(to->first_wrong, from->first_wrong, sizeof(to->first_wrong));
	if (from->last_error)
		to->last_error = from->last_error;
}

#endif
