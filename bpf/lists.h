/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which entry is in force for an address, and the marks a new connection leaves on it.
 *
 * The most specific entry wins: the exact address, then prefixes from long to short. An expired
 * entry is absent; userspace sweeps it away later. One that stands where a list's should be leaves
 * the source to the daemon.
 */
#ifndef BPF_LISTS_H
#define BPF_LISTS_H

#include "classify.h"
#include "maps.h"

#define NSEC 1000000000ull

/* ns, a power of two: 68 s. */
#define NTH_MINUTE 36

/* Expired prefixes nested in each other and still waiting for the sweep, that are looked behind. */
#define LISTS_EXPIRED 16

static __always_inline bool same_address(const __u8 a[16], const __u8 b[16])
{
	const __u32 *x = (const __u32 *)a, *y = (const __u32 *)b;

	return x[3] == y[3] && x[2] == y[2] && x[1] == y[1] && x[0] == y[0];
}

/* Comparing in nanoseconds spares a division per packet. */
static __always_inline bool in_force(const struct gg_entry *e, __u64 now)
{
	return !e->expires || e->expires * NSEC > now;
}

static __always_inline struct gg_entry *find_in4(void *trie, const __u8 addr[4], __u64 now)
{
	struct gg_net4 key = {.prefixlen = 32};
	struct gg_entry *e;
	int i;

	__builtin_memcpy(key.addr, addr, 4);
	for (i = 0; i < LISTS_EXPIRED; i++) {
		e = bpf_map_lookup_elem(trie, &key);
		if (!e || in_force(e, now))
			return e;
		if (e->list & GG_HIDES)
			return NULL;
		key.prefixlen = (__u32)e->length - 1;
		if (key.prefixlen >= 32)
			break;
	}
	return NULL;
}

static __always_inline struct gg_entry *find_in6(void *trie, const __u8 addr[16], __u64 now)
{
	struct gg_net6 key = {.prefixlen = 128};
	struct gg_entry *e;
	int i;

	__builtin_memcpy(key.addr, addr, 16);
	for (i = 0; i < LISTS_EXPIRED; i++) {
		e = bpf_map_lookup_elem(trie, &key);
		if (!e || in_force(e, now))
			return e;
		if (e->list & GG_HIDES)
			return NULL;
		key.prefixlen = (__u32)e->length - 1;
		if (key.prefixlen >= 128)
			break;
	}
	return NULL;
}

/* Within an exception a list says what a wider prefix says, or nothing: a prefix of the daemon's
 * own may be more specific than that. */
static __always_inline struct gg_entry *prefer_own(struct gg_entry *e, struct gg_entry *own)
{
	if (own && own->length >= e->length)
		return own;
	return e->verdict == GG_UNKNOWN ? NULL : e;
}

/* addr as in struct packet: IPv4-mapped for IPv4. now: ns. */
static __always_inline struct gg_entry *find_net(const struct gg_conf *conf, const __u8 *addr,
						 bool is4, __u64 now)
{
	struct gg_entry *e = NULL;
	__u32 zero = 0;
	void *trie;

	if (is4 ? !conf->have_net4 : !conf->have_net6)
		return NULL;
	if (is4) {
		trie = bpf_map_lookup_elem(&nets4, &zero);
		e = trie ? find_in4(trie, addr + 12, now) : NULL;
		if (!e || e->origin != GG_BY_EXCEPTION)
			return e;
		return prefer_own(e, find_in4(&own4, addr + 12, now));
	}
	trie = bpf_map_lookup_elem(&nets6, &zero);
	e = trie ? find_in6(trie, addr, now) : NULL;
	if (!e || e->origin != GG_BY_EXCEPTION)
		return e;
	return prefer_own(e, find_in6(&own6, addr, now));
}

static __always_inline struct gg_entry *find_host(const __u8 *addr, bool is4, __u64 now)
{
	struct gg_entry *e;

	if (is4)
		e = bpf_map_lookup_elem(&host4, addr + 12);
	else
		e = bpf_map_lookup_elem(&host6, addr);
	return e && in_force(e, now) ? e : NULL;
}

static __always_inline struct gg_entry *find_entry(const struct gg_conf *conf, const __u8 *addr,
						   bool is4, __u64 now)
{
	struct gg_entry *e = find_host(addr, is4, now);

	return e ? e : find_net(conf, addr, is4, now);
}

/* Whether a new connection is one in N, of which the daemon may have a look. By its address and
 * ports, so that whoever asks, and however often, gets one answer: with SYN cookies a handshake is
 * asked about twice. And by the minute, or a source that had found a port of its own that is never
 * looked at would use no other. */
static __always_inline bool is_nth(const struct gg_conf *conf, const __u8 remote[16],
				   __be16 remote_port, __u16 local_port, __u64 now)
{
	const __u32 *addr = (const __u32 *)remote;
	__u32 every = conf->sample;
	__u64 h;

	if (!every)
		return false;
	h = (__u64)(addr[0] ^ addr[3]) << 32 | (addr[1] ^ addr[2]);
	h ^= conf->tarpit_key + ((__u64)remote_port << 16 | local_port) + (now >> NTH_MINUTE << 32);
	return gg_index_mix(h) % every == 0;
}

/* Those are the earned ones' only. */
static __always_inline bool is_sampled(const struct gg_conf *conf, const struct gg_entry *e,
				       const __u8 remote[16], __be16 remote_port, __u16 local_port,
				       __u64 now)
{
	return e->verdict == GG_ALLOW &&
	       (e->origin == GG_BY_LEARNING || e->origin == GG_BY_CORRESPONDENT) &&
	       is_nth(conf, remote, remote_port, local_port, now);
}

/* The entry that outlives a swap, where e is a prefix of the daemon's own. */
static __always_inline struct gg_entry *find_own(const struct gg_entry *e, const __u8 *addr,
						 bool is4)
{
	struct gg_net4 key4 = {.prefixlen = e->length};
	struct gg_net6 key6 = {.prefixlen = e->length};

	if (e->length >= (is4 ? 32 : 128))
		return NULL;
	if (is4) {
		__builtin_memcpy(key4.addr, addr + 12, 4);
		return bpf_map_lookup_elem(&own4, &key4);
	}
	__builtin_memcpy(key6.addr, addr, 16);
	return bpf_map_lookup_elem(&own6, &key6);
}

static __always_inline void count_list(__u32 list)
{
	__u64 *n = bpf_map_lookup_elem(&lists, &list);

	if (n)
		(*n)++;
}

/* addr: whose connection it is, which e holds. alone: the daemon never sees it; what it sees it
 * counts for the list itself. last_seen at most once a second: many CPUs may see the same source.
 */
static __always_inline void mark_entry(struct gg_entry *e, const __u8 *addr, bool is4, bool alone,
				       __u64 now)
{
	struct gg_entry *own;

	/* If the entry was another address's by now, that one is counted up by one, no more. */
	__sync_fetch_and_add(&e->hits, 1);
	if (alone && gg_is_imported(e))
		count_list(e->list);
	if (now < (e->last_seen + 1) * NSEC)
		return;
	e->last_seen = now / NSEC;
	own = gg_is_imported(e) ? NULL : find_own(e, addr, is4);
	if (own) {
		own->last_seen = e->last_seen;
		own->hits = e->hits;
	}
}

static __always_inline void report_first_drop(const struct gg_entry *e, const __u8 *addr, __u64 now)
{
	struct gg_event *event;

	/* A million of them, each for the first time, are no edge; their list counts them. */
	if (gg_is_imported(e))
		return;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		count(GG_STAT_event_lost);
		return;
	}
	event->kind = GG_EVENT_FIRST_DROP;
	event->action = e->action;
	event->time = now / NSEC;
	event->dropped = 0;
	__builtin_memcpy(event->addr, addr, 16);
	bpf_ringbuf_submit(event, 0);
}

#endif
