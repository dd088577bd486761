// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tc program, gateway mode: every configured interface, on the way in, behind XDP.
 *
 * Marks what is the daemon's; a policy route (userspace/fastpath/route.c) delivers marked packets
 * here although their address isn't ours, and the kernel's own lookup finds the daemon's socket,
 * because it is bound to that address. Everything else goes on to be forwarded. Reaches the verdict
 * of the XDP program from the same maps, for all that XDP let pass or never saw.
 */
#define GATE_CONTEXT struct __sk_buff
#define GATE_LOAD bpf_skb_load_bytes

#include "gate.h"
#include "heartbeat.h"
#include "hidden.h"
#include "protected.h"

#include <linux/pkt_cls.h>

#define HEADERS 256 /* bytes that the parser wants to see of all but odd packets */
#define MOST_HEADERS 16384

/* As long as pieces wait for each other (RFC 8200 4.5); then their number may be another segment's.
 */
#define PIECES_SECONDS 60

/* linux/icmp.h and linux/icmpv6.h ask for headers of the C library. */
#define ICMP_HEADER 8 /* in both families */
#define ICMP_DEST_UNREACH 3
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12
#define ICMPV6_DEST_UNREACH 1 /* to 4: packet too big, time exceeded, parameter problem */
#define ICMPV6_PARAMPROB 4

/* A segment in pieces; with `pair`, all that one address sends to another. */
struct piece_key {
	__u8 from[16], to[16];
	__u32 id, pair;
};

struct piece {
	__u64 noted;   /* ns */
	__u64 daemons; /* false: the mail server's */
};

/* Whose segments in pieces are. The later pieces have no ports to tell it by. On some ways they
 * come before the first one: then they are whose such segments have been before. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 12);
	__type(key, struct piece_key);
	__type(value, struct piece);
} pieces SEC(".maps");

static __always_inline void read_pair(const struct packet *p, struct piece_key *ret)
{
	__builtin_memcpy(ret->from, p->from, 16);
	__builtin_memcpy(ret->to, p->to.addr, 16);
}

static __always_inline const struct piece *find_piece(const struct piece_key *key, __u64 now)
{
	const struct piece *piece = bpf_map_lookup_elem(&pieces, key);

	return piece && now < piece->noted + PIECES_SECONDS * NSEC ? piece : NULL;
}

/* Whose the first piece is. What never sends any to the daemon needs no note. Functions of their
 * own, as parse. */
__attribute__((noinline)) int note_piece(const struct packet *p, __u32 daemons)
{
	struct piece piece = {bpf_ktime_get_coarse_ns(), daemons};
	struct piece_key key = {}, pair = {.pair = true};

	if (!p)
		return 0;
	read_pair(p, &pair);
	read_pair(p, &key);
	key.id = p->id;
	if (!daemons && !find_piece(&pair, piece.noted))
		return 0;
	bpf_map_update_elem(&pieces, &pair, &piece, BPF_ANY);
	return bpf_map_update_elem(&pieces, &key, &piece, BPF_ANY);
}

/* Whether a later piece is the daemon's. */
__attribute__((noinline)) int follows_piece(const struct packet *p)
{
	struct piece_key key = {}, pair = {.pair = true};
	__u64 now = bpf_ktime_get_coarse_ns();
	const struct piece *first;

	if (!p)
		return false;
	read_pair(p, &pair);
	read_pair(p, &key);
	key.id = p->id;
	first = find_piece(&key, now);
	if (!first)
		first = find_piece(&pair, now);
	return first && first->daemons;
}

static __always_inline int to_daemon(struct __sk_buff *skb, enum gg_stat cause)
{
	count(cause);
	skb->mark = GG_MARK;
	return TC_ACT_UNSPEC;
}

static __always_inline int when_down(const struct gg_conf *switches)
{
	count(GG_STAT_tc_down);
	return switches->flags & GG_CONF_OPEN_WHEN_DOWN ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

static __always_inline int judge(struct __sk_buff *skb, const struct gg_conf *switches,
				 const struct packet *p)
{
	struct gg_facts facts = {.kind = p->kind, .gateway = true};
	__u64 now = bpf_ktime_get_coarse_ns();
	enum holder holder = HOLDER_NONE;
	struct gg_decision decision;
	struct gg_entry *entry;
	bool fresh;

	entry = find_entry(switches, p->from, p->is4, now);
	if (entry) {
		facts.verdict = entry->verdict;
		facts.action = entry->action;
		facts.hits = entry->hits;
		facts.sampled = p->kind == GG_KIND_NEW &&
				is_sampled(switches, entry, p->from, p->from_port, p->to.port, now);
	}
	if (p->kind == GG_KIND_PIECE)
		facts.connected = follows_piece(p);
	else if (gg_asks_sockets(&facts))
		holder = gate_holder(skb, p);
	if (holder == HOLDER_CONNECTION)
		facts.connected = true;
	decision = gg_classify(&facts);

	fresh = p->kind == GG_KIND_NEW && !facts.connected;
	if (entry && (fresh || decision.cause == GG_STAT_drop_all)) {
		if (decision.route == GG_TO_NOBODY && !entry->hits)
			report_first_drop(entry, p->from, now);
		mark_entry(entry, p->from, p->is4, decision.route != GG_TO_DAEMON, now);
	}
	if (decision.route == GG_TO_NOBODY) {
		count(GG_STAT_tc_drop);
		return TC_ACT_SHOT;
	}
	if (facts.connected)
		return to_daemon(skb, GG_STAT_tc_flow);
	if (decision.route == GG_TO_DAEMON && holder == HOLDER_LISTENER &&
	    daemon_alive(switches, now))
		return to_daemon(skb, GG_STAT_tc_daemon);
	/* A sample that nobody can take is the mail server's. */
	if (decision.route == GG_TO_DAEMON && !facts.sampled)
		return when_down(switches);
	if (fresh)
		count(GG_STAT_tc_mta);
	return TC_ACT_UNSPEC;
}

/* The packet that an ICMP error quotes was sent by one of the daemon's sockets: the error is for
 * it, though it is addressed to the endpoint whose address that socket holds. Unless it arrives,
 * the path MTU is never learned. from, to: of the packet quoted. */
static __always_inline int icmp_of(struct __sk_buff *skb, const struct gg_conf *switches,
				   const struct packet *quoted)
{
	const struct tuple answer = {quoted->to.addr, quoted->from, bpf_htons(quoted->to.port),
				     quoted->from_port, quoted->is4};
	const struct gg_vip_key from = gate_source(quoted);

	if (!is_protected(switches, &from) && !is_protected(switches, &quoted->to))
		return TC_ACT_UNSPEC;
	return holder_of(skb, &answer, NULL) == HOLDER_CONNECTION ? to_daemon(skb, GG_STAT_tc_icmp)
								  : TC_ACT_UNSPEC;
}

struct ports_quoted {
	__be16 source, dest;
};

static __always_inline int icmp4(struct __sk_buff *skb, const struct gg_conf *switches)
{
	struct packet quoted = {.is4 = true};
	struct ports_quoted tcp;
	__u32 at = ETH_HLEN;
	struct iphdr ip;
	__u8 type;

	if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) || ip.protocol != IPPROTO_ICMP ||
	    ip.frag_off & bpf_htons(0x1fff))
		return TC_ACT_UNSPEC;
	at += ip.ihl * 4;
	if (bpf_skb_load_bytes(skb, at, &type, 1) ||
	    (type != ICMP_DEST_UNREACH && type != ICMP_TIME_EXCEEDED && type != ICMP_PARAMETERPROB))
		return TC_ACT_UNSPEC;
	at += ICMP_HEADER;
	if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) || ip.protocol != IPPROTO_TCP ||
	    ip.frag_off & bpf_htons(0x1fff))
		return TC_ACT_UNSPEC;
	/* Eight bytes of TCP are all that must be quoted (RFC 792). */
	if (bpf_skb_load_bytes(skb, at + ip.ihl * 4, &tcp, sizeof(tcp)))
		return TC_ACT_UNSPEC;
	quoted.from[10] = quoted.from[11] = quoted.to.addr[10] = quoted.to.addr[11] = 0xff;
	__builtin_memcpy(quoted.from + 12, &ip.saddr, 4);
	__builtin_memcpy(quoted.to.addr + 12, &ip.daddr, 4);
	quoted.from_port = tcp.source;
	quoted.to.port = bpf_ntohs(tcp.dest);
	return icmp_of(skb, switches, &quoted);
}

static __always_inline int icmp6(struct __sk_buff *skb, const struct gg_conf *switches)
{
	struct packet quoted = {};
	struct ports_quoted tcp;
	__u32 at = ETH_HLEN;
	struct ipv6hdr ip;
	__u8 type;

	if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) || ip.nexthdr != IPPROTO_ICMPV6)
		return TC_ACT_UNSPEC;
	at += sizeof(ip);
	if (bpf_skb_load_bytes(skb, at, &type, 1) || type < ICMPV6_DEST_UNREACH ||
	    type > ICMPV6_PARAMPROB)
		return TC_ACT_UNSPEC;
	at += ICMP_HEADER;
	if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) || ip.nexthdr != IPPROTO_TCP ||
	    bpf_skb_load_bytes(skb, at + sizeof(ip), &tcp, sizeof(tcp)))
		return TC_ACT_UNSPEC;
	__builtin_memcpy(quoted.from, &ip.saddr, 16);
	__builtin_memcpy(quoted.to.addr, &ip.daddr, 16);
	quoted.from_port = tcp.source;
	quoted.to.port = bpf_ntohs(tcp.dest);
	return icmp_of(skb, switches, &quoted);
}

/* What is for no protected endpoint may come from one, and be for one of the daemon's sockets. */
static __always_inline int answer(struct __sk_buff *skb, const struct gg_conf *switches,
				  const struct packet *p)
{
	const struct gg_vip_key from = gate_source(p);

	if (p->kind == GG_KIND_FRAGMENT || !is_protected(switches, &from))
		return TC_ACT_UNSPEC;
	if (p->kind == GG_KIND_PIECE ? !follows_piece(p) : !is_connected(skb, p))
		return TC_ACT_UNSPEC;
	return to_daemon(skb, GG_STAT_tc_flow);
}

/* As much of the packet as there is, up to `size`, and what it is. */
static __always_inline int look(struct __sk_buff *skb, __u32 size, struct packet *ret)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (data + size > end)
		bpf_skb_pull_data(skb, skb->len < size ? skb->len : size);
	return parse(skb, ret);
}

SEC("tc")
int greygate_tc(struct __sk_buff *skb)
{
	const struct gg_conf *switches;
	struct packet packet = {};
	int found, action;
	__u32 zero = 0;

	switches = bpf_map_lookup_elem(&conf, &zero);
	/* A tagged frame is judged on its VLAN's own interface. VLAN 0 is none, only a priority
	 * (IEEE 802.1Q 6.9.3). */
	if (!switches || (skb->vlan_present && skb->vlan_tci & VLAN_NUMBER))
		return TC_ACT_UNSPEC;
	found = look(skb, HEADERS, &packet);
	if (found == PARSE_SHORT && skb->len > HEADERS) {
		__builtin_memset(&packet, 0, sizeof(packet));
		found = look(skb, MOST_HEADERS, &packet);
	}
	/* What nobody here can judge nobody behind is to answer. */
	if (found == PARSE_DEEP && hides_tcp(skb)) {
		count(GG_STAT_tc_drop);
		return TC_ACT_SHOT;
	}
	if (found != PARSE_TCP) {
		if (skb->protocol == bpf_htons(ETH_P_IP))
			return icmp4(skb, switches);
		if (skb->protocol == bpf_htons(ETH_P_IPV6))
			return icmp6(skb, switches);
		return TC_ACT_UNSPEC;
	}
	action = is_protected(switches, &packet.to) ? judge(skb, switches, &packet)
						    : answer(skb, switches, &packet);
	if (packet.piece && packet.kind == GG_KIND_OTHER)
		note_piece(&packet, skb->mark == GG_MARK);
	return action;
}

char LICENSE[] SEC("license") = "GPL";
