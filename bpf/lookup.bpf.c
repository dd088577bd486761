// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The socket lookup program, host mode: the mail server owns the endpoint, the daemon listens
 * elsewhere, and each new connection goes to the one the verdict names.
 *
 * Runs after the kernel found no connected socket, so open connections never come here. It runs
 * once per connection, or twice (SYN, last ACK of the handshake) while SYN cookies are in use.
 */
#include "heartbeat.h"
#include "index.h"
#include "lists.h"
#include "maps.h"
#include "protected.h"

#include <bpf/bpf_endian.h>
#include <linux/in.h>

static __always_inline bool is_asking(void)
{
	__u32 zero = 0;
	const __u32 *busy = bpf_map_lookup_elem(&asking, &zero);

	return busy && *busy;
}

/* SK_PASS with the daemon's socket selected; without one, what when_down says. A sample that nobody
 * can take is the mail server's. */
static __always_inline int give_to_daemon(struct bpf_sk_lookup *ctx, const struct gg_conf *switches,
					  bool sample, __u64 now)
{
	__u32 slot = ctx->family == AF_INET ? GG_SOCK_DAEMON4 : GG_SOCK_DAEMON6;
	struct bpf_sock *sk;
	int err = -1;

	if (daemon_alive(switches, now)) {
		sk = bpf_map_lookup_elem(&socks, &slot);
		if (sk) {
			/* No flags: the socket's reuseport group picks the worker. */
			err = bpf_sk_assign(ctx, sk, 0);
			bpf_sk_release(sk);
		}
	}
	if (!err) {
		count(GG_STAT_lookup_daemon);
		return SK_PASS;
	}
	if (sample) {
		count(GG_STAT_lookup_mta);
		return SK_PASS;
	}
	count(GG_STAT_lookup_down);
	return switches->flags & GG_CONF_OPEN_WHEN_DOWN ? SK_PASS : SK_DROP;
}

/* From one protected address to another, too: both are this host's, and a stranger who lies in the
 * name of one never gets an answer. The interface doesn't tell: that of what a host sends to itself
 * is the one that has the address. */
static __always_inline bool is_self(const struct gg_conf *switches, const struct gg_vip_key *local,
				    const __u8 remote[16])
{
	struct gg_vip_key other __attribute__((aligned(8))) = {.port = local->port};

	if (same_address(local->addr, remote))
		return true;
	__builtin_memcpy(other.addr, remote, sizeof(other.addr));
	return is_protected(switches, &other);
}

static __always_inline void read_addresses(struct bpf_sk_lookup *ctx, struct gg_vip_key *local,
					   __u8 remote[16])
{
	__u32 *to = (__u32 *)local->addr, *from = (__u32 *)remote;
	__u32 to4 = ctx->local_ip4, from4 = ctx->remote_ip4;

	/* Read before the branch, or clang merges the loads of both branches into one through a
	 * changed ctx pointer, which the verifier refuses. */
	barrier_var(to4);
	barrier_var(from4);
	if (ctx->family == AF_INET) {
		to[2] = from[2] = bpf_htonl(0xffff);
		to[3] = to4;
		from[3] = from4;
	} else {
		to[0] = ctx->local_ip6[0];
		to[1] = ctx->local_ip6[1];
		to[2] = ctx->local_ip6[2];
		to[3] = ctx->local_ip6[3];
		from[0] = ctx->remote_ip6[0];
		from[1] = ctx->remote_ip6[1];
		from[2] = ctx->remote_ip6[2];
		from[3] = ctx->remote_ip6[3];
	}
	local->port = ctx->local_port;
}

/* Whether it is an allowed host of IPv4, network order, that comes often, and its mark. XDP has
 * just had the index's cache line, where host4 would cost three that nobody had; what the others
 * need beyond that stands there. A function of its own, for the verifier's sake. */
__noinline int is_regular(__u32 addr, __u64 now)
{
	struct index_hit hit = {};

	if (index_find4(addr, now, &hit) != INDEX_HIT || !gg_index_regular(hit.slot))
		return false;
	index_seen(&hit);
	return true;
}

SEC("sk_lookup")
int greygate_lookup(struct bpf_sk_lookup *ctx)
{
	__u8 remote[16] __attribute__((aligned(8))) = {};
	struct gg_vip_key local __attribute__((aligned(8))) = {};
	struct gg_facts facts = {.kind = GG_KIND_NEW};
	const struct gg_conf *switches;
	struct gg_entry *entry;
	enum gg_route route;
	__u32 zero = 0, addr;
	__u64 now;

	if (ctx->protocol != IPPROTO_TCP || is_asking())
		return SK_PASS;
	read_addresses(ctx, &local, remote);
	switches = bpf_map_lookup_elem(&conf, &zero);
	if (!switches || !is_protected(switches, &local))
		return SK_PASS;

	now = bpf_ktime_get_coarse_ns();
	__builtin_memcpy(&addr, remote + 12, 4);
	/* Of every Nth the entry says whether the daemon gets it. */
	if (ctx->family == AF_INET &&
	    !is_nth(switches, remote, ctx->remote_port, ctx->local_port, now) &&
	    is_regular(addr, now)) {
		count(GG_STAT_lookup_mta);
		return SK_PASS;
	}
	entry = find_entry(switches, remote, ctx->family == AF_INET, now);
	if (entry) {
		facts.verdict = entry->verdict;
		facts.action = entry->action;
		facts.sampled =
			is_sampled(switches, entry, remote, ctx->remote_port, ctx->local_port, now);
	}
	facts.self = facts.verdict == GG_UNKNOWN && is_self(switches, &local, remote);
	route = gg_classify(&facts).route;
	if (entry) {
		mark_entry(entry, remote, ctx->family == AF_INET, route != GG_TO_DAEMON, now);
		if (ctx->family == AF_INET && entry->length >= 32 && facts.verdict == GG_ALLOW &&
		    gg_index_often(entry))
			index_often(addr, now);
	}

	switch (route) {
	case GG_TO_NOBODY:
		count(GG_STAT_lookup_drop);
		return SK_DROP;
	case GG_TO_DAEMON:
		return give_to_daemon(ctx, switches, facts.sampled, now);
	default:
		count(GG_STAT_lookup_mta);
		return SK_PASS;
	}
}

char LICENSE[] SEC("license") = "GPL";
