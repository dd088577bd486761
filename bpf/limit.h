/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many new connections are let through: a budget for each CPU, then a token bucket for each
 * source (/32 of IPv4, /64 of IPv6).
 *
 * The budget comes first because spoofed floods never send twice from one address: each SYN would
 * push a bucket out of the map to make one that is never asked again, and that costs more than the
 * drop. Only edges are reported: a limit begins, lasts, ends.
 */
#ifndef BPF_LIMIT_H
#define BPF_LIMIT_H

#include "lists.h"
#include "parse.h"

/* What a CPU lets through at once besides one: so many ns of its budget. Longer than the clock
 * stands still, or what comes between two of its ticks would be lost. */
#define LIMIT_BUDGET_BURST (NSEC / 8)

/* Over its limit for so long, a source is reported as lasting, and then as often. */
#define LIMIT_LASTING (10 * NSEC)
#define LIMIT_AGAIN NSEC /* until one that could not be reported is reported again */
/* Within its limit for so long: what it is over it later is counted from there. A burst now and
 * another ten seconds later is not ten seconds of them. */
#define LIMIT_LULL (2 * NSEC)

/* As times of drops are kept. */
static __always_inline __u32 limit_short(__u64 ns)
{
	return ns >> GG_SHORT_SHIFT;
}

/* Of what another CPU may have dropped after `now`: 4 s. */
#define LIMIT_AHEAD (1u << 12)

/* Whether the last drop is longer ago. */
static __always_inline bool limit_lull(__u32 last_drop, __u64 now, __u64 length)
{
	const __u32 ago = limit_short(now) - last_drop;

	return ago > limit_short(length) && ago < -LIMIT_AHEAD;
}

/* False: there was no room for it. */
static __always_inline bool report_limit(enum gg_event_kind kind, const __u8 *addr, __u64 dropped,
					 __u64 now)
{
	struct gg_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		count(GG_STAT_event_lost);
		return false;
	}
	event->kind = kind;
	event->action = GG_NO_ACTION;
	event->time = now / NSEC;
	event->dropped = dropped;
	__builtin_memcpy(event->addr, addr, 16);
	bpf_ringbuf_submit(event, 0);
	return true;
}

static __always_inline void report_budget(enum gg_event_kind kind, __u64 dropped, __u64 now)
{
	const __u32 cpu[4] = {bpf_get_smp_processor_id()};

	report_limit(kind, (const __u8 *)cpu, dropped, now);
}

/* Whether the CPU has a new connection left: a bucket as a source's. That its budget is exceeded
 * ends with a lull, or a flood that comes in pulses would be told of with each of them. */
static __always_inline bool limit_budget(const struct gg_conf *switches, __u64 now)
{
	const __u64 interval = switches->budget_interval;
	__u32 zero = 0;
	struct gg_budget *b = bpf_map_lookup_elem(&budget, &zero);
	__u64 full;

	if (!b || !interval)
		return true;
	full = b->full > now ? b->full : now;
	if (full - now <= LIMIT_BUDGET_BURST) {
		b->full = full + interval;
		if (b->over && limit_lull(b->last_drop, now, LIMIT_LULL)) {
			report_budget(GG_EVENT_BUDGET_END, b->over, now);
			b->over = 0;
		}
		return true;
	}
	if (!b->over)
		report_budget(GG_EVENT_BUDGET_BEGIN, 0, now);
	b->last_drop = limit_short(now);
	b->over++;
	return false;
}

/* The bucket as the time at which it will be full again: a token is one interval. */
static __always_inline bool limit_bucket(const struct gg_conf *switches, struct gg_rate *r,
					 const __u8 *source, __u64 now)
{
	__u64 full = r->full;

	if (full <= now) {
		full = now;
		if (r->over) {
			report_limit(GG_EVENT_LIMIT_END, source, r->over, now);
			r->over = 0;
		}
	}
	if (full + switches->source_interval - now <= switches->source_burst) {
		r->full = full + switches->source_interval;
		return true;
	}
	if (!r->over) {
		r->since = now;
		report_limit(GG_EVENT_LIMIT_BEGIN, source, 0, now);
	} else if (limit_lull(r->last_drop, now, LIMIT_LULL)) {
		r->since = now;
	} else if ((__s64)(now - r->since) > (__s64)LIMIT_LASTING) {
		/* The daemon makes an entry of it, if it can: as long as there is none, it is told
		 * again, and sooner where there was no room to. */
		r->since = report_limit(GG_EVENT_LIMIT_LASTING, source, r->over, now)
				   ? now
				   : now - LIMIT_LASTING + LIMIT_AGAIN;
	}
	r->last_drop = limit_short(now);
	r->over++;
	return false;
}

static __always_inline enum gg_limit limit_source(const struct gg_conf *switches,
						  const struct packet *p, __u64 now)
{
	const struct gg_rate fresh = {.full = now + switches->source_interval};
	__u8 source[16] = {};
	struct gg_rate *r;

	if (p->is4) {
		__builtin_memcpy(source, p->from, 16);
		r = bpf_map_lookup_elem(&rate4, source + 12);
		if (!r)
			bpf_map_update_elem(&rate4, source + 12, &fresh, BPF_NOEXIST);
	} else {
		__builtin_memcpy(source, p->from, 8);
		r = bpf_map_lookup_elem(&rate6, source);
		if (!r)
			bpf_map_update_elem(&rate6, source, &fresh, BPF_NOEXIST);
	}
	return !r || limit_bucket(switches, r, source, now) ? GG_WITHIN : GG_OVER_SOURCE;
}

/* enum gg_limit. A function of its own, so that the verifier walks through it once. */
__noinline int limit_new(const struct gg_conf *switches, const struct packet *p, __u64 now)
{
	if (!switches || !p)
		return GG_WITHIN;
	if (!limit_budget(switches, now))
		return GG_OVER_BUDGET;
	return switches->source_interval ? limit_source(switches, p, now) : GG_WITHIN;
}

#endif
