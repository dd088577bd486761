/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel programs and userspace share: map keys, map values, counters. Types only.
 *
 * Every map is BTF-typed from these structs, so that `bpftool map dump pinned` prints names instead
 * of hex: addresses are byte arrays in network order, verdicts are enums. Padding is hashed by the
 * kernel as part of a key: zero every key before it is filled in.
 *
 * Times in map values are whole seconds of CLOCK_MONOTONIC, because that is the clock that a BPF
 * program can read for three nanoseconds (bpf_ktime_get_coarse_ns). 0 in `expires` means never.
 *
 * A change of any layout here is a change of GG_SCHEMA: the pins of another schema live in another
 * directory and are never reinterpreted.
 */
#ifndef GREYGATE_TYPES_H
#define GREYGATE_TYPES_H

#include <linux/types.h>

#define GG_SCHEMA 1
#define GG_MAGIC 0x67726579 /* "grey" */

enum gg_verdict {
	GG_UNKNOWN = 0,
	GG_ALLOW = 1,
	GG_DENY = 2,
};

/* What a deny entry asks for. `tarpit` has its number but is carried out like `stutter` where the
 * kernel program in force cannot answer by itself. */
enum gg_action {
	GG_NO_ACTION = 0,
	GG_REJECT = 1,   /* passed on: the daemon answers 5xx with a reason */
	GG_STUTTER = 2,  /* passed on: the daemon answers slowly, then 5xx */
	GG_TARPIT = 3,   /* answered by XDP with a window that never opens */
	GG_DROP_NEW = 4, /* new connections are dropped, open ones live on */
	GG_DROP_ALL = 5, /* every packet is dropped: the one deliberate exception */
};

/* Whether an entry concerns segments of open connections, too. */
static inline int gg_concerns_segments(enum gg_verdict verdict, enum gg_action action)
{
	return verdict == GG_DENY && (action == GG_TARPIT || action == GG_DROP_ALL);
}

enum gg_origin {
	GG_BY_NOBODY = 0,
	GG_BY_OPERATOR = 1,
	GG_BY_LEARNING = 2,
	GG_BY_TRAP = 3,
	GG_BY_IMPORT = 4,
	GG_BY_LIMIT = 5,
	GG_BY_CORRESPONDENT = 6, /* our users write to it */
	GG_BY_EXCEPTION = 7,     /* as GG_BY_IMPORT, in the place of something that is excepted */
};

enum gg_mode {
	GG_MODE_RELAY = 0,
	GG_MODE_HOST = 1,
	GG_MODE_GATEWAY = 2,
};

struct gg_key4 {
	__u8 addr[4];
};

struct gg_key6 {
	__u8 addr[16];
};

/* A /64. */
struct gg_half6 {
	__u8 addr[8];
};

struct gg_net4 {
	__u32 prefixlen;
	__u8 addr[4];
};

struct gg_net6 {
	__u32 prefixlen;
	__u8 addr[16];
};

/* Value of host4, host6, net4, net6, own4, own6. 48 bytes. */
struct gg_entry {
	enum gg_verdict verdict;
	enum gg_action action; /* with GG_UNKNOWN: of a denied prefix that is left to the daemon */
	enum gg_origin origin;
	__u16 list;      /* number of the imported list (by GG_BY_IMPORT, _EXCEPTION), 0: none; of
			    others the daemon's, and GG_HIDES */
	__u16 length;    /* of the prefix: 32 or 128 for a host. Leads from an expired prefix to the
			    next shorter one. GG_BY_EXCEPTION: of the prefix that says it */
	__u64 expires;   /* s, CLOCK_MONOTONIC; 0: never. Expired means absent */
	__u64 last_seen; /* s, CLOCK_MONOTONIC; written by the kernel at most once a second */
	__u64 hits;      /* new connections (drop_all: packets) seen; a figure for people: racy, and
			    in a flood not all are counted, but one a sweep at least */
	__u64 added;     /* s, CLOCK_MONOTONIC */
};

/* Unit of a time that has 32 bits, as a shift of ns: 1.05 ms, and 52 days until it begins again. */
#define GG_SHORT_SHIFT 20

/* In `list` of a prefix of the daemon's own in net4, net6: imported lists have the very prefix,
 * too, and no room beside it. Once the entry is over, a shorter prefix is not what holds: whom it
 * held is left to the daemon, until that has put the lists' in its place. */
#define GG_HIDES 0x8000

/* Value of rate4, rate6: the token bucket of a source, racy. */
struct gg_rate {
	__u64 full;  /* ns, CLOCK_MONOTONIC: when it will be full again */
	__u64 since; /* ns: over its limit without a lull since then, or since the last report */
	__u32 over;  /* connections dropped since the limit began; 0: within it */
	__u32 last_drop; /* GG_SHORT_SHIFT: when the last of them was */
};

/* Value of budget: the token bucket of a CPU. What 0.1.0 has left in these places, and in those of
 * gg_rate, is taken for long ago, and put right by the next connection. */
struct gg_budget {
	__u64 full;      /* as in gg_rate */
	__u32 last_drop; /* the same */
	__u32 over;      /* dropped since the budget was first exceeded; 0: within it */
};

/* Protected endpoints that there is room for; each takes an entry of vip, and so does each address.
 */
#define GG_ENDPOINTS 16384

/* Key of vip: a protected endpoint. IPv4 is written IPv4-mapped (::ffff:a.b.c.d). An entry with
 * port 0 stands beside each address: it answers "is this address protected at all" for fragments,
 * which carry no port. */
struct gg_vip_key {
	__u8 addr[16];
	__u16 port; /* host order, so that a dump reads 25 */
	__u16 zero;
};

struct gg_vip {
	__u64 unused; /* that it is there is all that is asked */
};

/* Numbers of imported lists are below; 0 is none. */
#define GG_LISTS 256

/* First drops or connections of a host that are judged one by one, see bpf/classify.h and
 * gg_index_often. */
#define GG_ASKED_DROPS 7

#define GG_CONF_OPEN_WHEN_DOWN (1u << 0)
/* No policy rule on this machine but the usual ones and ours: the main table alone says the way of
 * what isn't for this machine itself. */
#define GG_CONF_MAIN_ROUTES (1u << 1)
/* XDP watches whom this machine writes to. */
#define GG_CONF_OBSERVE (1u << 2)
/* No entry has been put that concerns more than what opens a connection (gg_concerns_segments): a
 * segment of an open one need not be looked up. Set where the maps are made, and gone with the
 * first such entry for as long as they last. */
#define GG_CONF_OPENINGS_ONLY (1u << 3)

/* What is to be sent on is left to the stack, which may know ways for it that XDP does not. */
#define GG_CONF_STACK_FORWARDS (1u << 4)

/* Value of conf[0]: switches the programs read at run time. */
struct gg_conf {
	enum gg_mode mode;
	__u32 flags;           /* GG_CONF_* */
	__u32 heartbeat_limit; /* s; an older meta.heartbeat: the daemon is gone. 0: not watched */
	__u32 have_net4;       /* prefixes own and imported: 0 spares the trie walk */
	__u32 have_net6;
	__u32 budget_interval; /* ns between two new connections on a CPU; 0: unlimited */
	__u64 source_interval; /* ns between two new connections of a source; 0: unlimited */
	__u32 sample;          /* one in N new connections of a learned source is for the daemon; 0:
				  none */
	__u32 zero;
	__u64 tarpit_key;
	__u64 source_burst;      /* ns: how many intervals may be used at once */
	struct gg_vip_key first; /* one of vip, here too: comparing is cheaper than hashing, and
				    most packets are for it. Port 0: none */
};

/* Value of meta[0]: what created the pins. */
struct gg_meta {
	__u32 magic;
	__u32 schema;
	__u64 generation; /* starts of the daemon on these pins */
	__u64 heartbeat;  /* s, CLOCK_MONOTONIC, written every second */
	char build[32];
};

#define GG_PORTS_MAX 64

/* Gateway mode: skb->mark of what is the daemon's, as the policy rule reads it. */
#define GG_MARK 0x67726579u

/* Slots of socks. */
enum gg_sock {
	GG_SOCK_DAEMON4 = 0,
	GG_SOCK_DAEMON6 = 1,
	GG_SOCK_MAX = 2,
};

/*
 * Counters of the stats map, one u64 per CPU each: X(name, words). The name is the key in
 * `greygate stats --json`; the words are its line in the manual.
 */
#define GG_STATS(X)                                                                                \
	X(packets, "packets that reached the XDP program")                                         \
	X(not_ours, "passed: not TCP to a protected endpoint")                                     \
	X(short_packet, "passed: cut off before the headers end")                                  \
	X(deep_headers, "passed: more VLAN tags or extension headers than the parser follows")     \
	X(not_new, "passed: no new connection (not a SYN, or SYN and ACK, or a later fragment)")   \
	X(established, "passed: SYN of a source with drop_new or tarpit, on a local connection")   \
	X(unknown_syn, "passed: new connection of an unknown source")                              \
	X(allow_syn, "passed: new connection of an allowed source")                                \
	X(reject_syn, "passed to the daemon: new connection of a source with action reject")       \
	X(stutter_syn, "passed to the daemon: new connection of a source with action stutter")     \
	X(tarpit_syn, "answered: new connection of a source with action tarpit")                   \
	X(tarpit_held, "answered or swallowed: later segment of a source in the tarpit")           \
	X(drop_new, "dropped: new connection of a source with action drop_new")                    \
	X(drop_all, "dropped: TCP to a protected endpoint of a source with action drop_all")       \
	X(flood_budget, "dropped: new connection beyond limit new_per_cpu")                        \
	X(flood_source, "dropped: new connection beyond limit new_per_source")                     \
	X(drop_fragment,                                                                           \
	  "dropped: TCP fragment that opens a connection, or what hides its header")               \
	X(local_flow, "gateway, passed: packet of a connection of the daemon")                     \
	X(forwarded, "gateway: sent on by XDP")                                                    \
	X(forward_stack, "gateway: left to the kernel to send on")                                 \
	X(tc_flow, "gateway, tc: packet of a connection of the daemon, given to it")               \
	X(tc_daemon, "gateway, tc: new connection given to the daemon")                            \
	X(tc_mta, "gateway, tc: new connection left to the mail server")                           \
	X(tc_drop, "gateway, tc: dropped")                                                         \
	X(tc_down, "gateway, tc: daemon gone, when_down decided")                                  \
	X(tc_icmp, "gateway, tc: ICMP error about a connection of the daemon, given to it")        \
	X(lookup_mta, "socket lookup: left to the mail server")                                    \
	X(lookup_daemon, "socket lookup: given to the daemon")                                     \
	X(lookup_drop, "socket lookup: refused")                                                   \
	X(lookup_down, "socket lookup: daemon gone, when_down decided")                            \
	X(egress_named, "host that the protected side writes to, told to the daemon")              \
	X(event_lost, "edge events that found the ring full")

enum gg_stat {
#define X(name, words) GG_STAT_##name,
	GG_STATS (X)
#undef X
		GG_STAT_MAX
};

/* Record of the events ring: edges only, never one per packet. */
enum gg_event_kind {
	GG_EVENT_FIRST_DROP = 1,    /* first dropped connection of an entry */
	GG_EVENT_LIMIT_BEGIN = 2,   /* a source is over its limit: address, or /64 with zeros */
	GG_EVENT_LIMIT_LASTING = 3, /* still is: every ten seconds */
	GG_EVENT_LIMIT_END = 4,     /* is quiet again */
	GG_EVENT_BUDGET_BEGIN = 5,  /* a CPU is over its budget */
	GG_EVENT_BUDGET_END = 6,
	GG_EVENT_CORRESPONDENT = 7, /* the protected side has connected to port 25 of this host */
};

struct gg_event {
	enum gg_event_kind kind;
	enum gg_action action;
	__u64 time;    /* s, CLOCK_MONOTONIC */
	__u64 dropped; /* limits: connections dropped since the begin */
	union {
		__u8 addr[16]; /* IPv4 is IPv4-mapped */
		__u32 cpu;     /* of a budget */
	};
};

#endif
