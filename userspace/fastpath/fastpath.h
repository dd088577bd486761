/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel half of greygate seen from the daemon: load, pin, attach, update, read back.
 *
 * Pins live under CONF.bpffs/v<GG_SCHEMA>/: the maps under their names, link_lookup for the socket
 * lookup program. They and the attached programs outlive the process on purpose; fastpath_close
 * leaves them, fastpath_detach removes them. Start builds everything before it attaches anything;
 * when a step fails, what this start made is taken back and err names the thing, the cause and the
 * mend.
 *
 * fastpath_open and fastpath_detach need CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN (or root); all
 * other calls work on open descriptors and need nothing. Map calls are system calls of about a
 * microsecond and may be made from any thread; one entry's writers are serialised by the caller.
 */
#ifndef FASTPATH_FASTPATH_H
#define FASTPATH_FASTPATH_H

#include <greygate/types.h>

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../core/addr.h"
#include "../core/imports.h"
#include "../core/verdicts.h"

#define FASTPATH_INTERFACES 16

enum fastpath_xdp { FASTPATH_AUTO, FASTPATH_NATIVE, FASTPATH_GENERIC, FASTPATH_OFF };

struct fastpath_conf {
	enum gg_mode mode;
	enum fastpath_xdp xdp;
	const char *bpffs; /* pins live in bpffs/v1 */
	const char *interfaces[FASTPATH_INTERFACES];
	int interface_count;
	/* Protected endpoints; addresses of this host for relay. A gateway must forward the
	 * families they have, and gets the tc program on every interface, also with FASTPATH_OFF.
	 */
	const struct endpoint *vips;
	int vip_count;
	uint32_t hosts;    /* max entries of host4 and host6 */
	uint32_t nets;     /* prefixes of the daemon's own, of each family */
	uint32_t imported; /* prefixes of imported lists besides, of each family */
	bool open_when_down;
	uint32_t heartbeat_limit; /* s */
	/* New connections a second, by XDP, of each source that isn't allowed, and through each
	 * CPU; 0: unlimited. */
	uint32_t new_per_source, new_per_cpu;
	/* host and gateway mode: the events ring gets whom the protected side writes to. In
	 * host mode XDP sees it, in gateway mode a program on the way out. */
	bool observe;
	/* host and gateway mode: every Nth new connection of a learned source is given to the
	 * daemon; 0: none. */
	uint32_t sample;
	/* host mode, after a predecessor: the daemon's sockets, which new maps have before they are
	 * in force; 0: none. They stay the caller's. */
	int listeners[GG_SOCK_MAX];
	int held_lock; /* descriptor of bpffs, locked by a predecessor that changes nothing any
			* more, which becomes the fast path's; 0: none */
	/* Called when nothing is pinned in bpffs, before anything is made or attached: all that
	 * fastpath_clear finds there from then on is of this start. NULL: nobody wants to know. */
	void (*first)(void *arg);
	void *first_arg;
};

/* How one interface got its program; for the log and status. */
struct fastpath_attachment {
	char interface[16];
	const char *_Atomic how;  /* "native", "generic"; gateway mode also "no XDP" */
	const char *_Atomic with; /* "dispatcher", "alone"; without XDP "tc" */
	char why[256];            /* at the start */
};

/* What a start puts in the way of packets, and others with rights can take away again. */
enum fastpath_kind {
	FASTPATH_POLICY, /* the policy rules and routes of gateway mode, together */
	FASTPATH_TC,     /* gateway mode's program on an interface */
	FASTPATH_XDP,    /* the XDP program on an interface */
	FASTPATH_TC_OUT, /* what watches whom the protected side writes to */
	FASTPATH_LOOKUP, /* the socket lookup program */
	FASTPATH_KINDS
};
enum fastpath_state {
	FASTPATH_STANDS,
	FASTPATH_GONE,
	FASTPATH_OTHER,        /* another program is there: ours or not, fastpath_mend can tell */
	FASTPATH_NO_INTERFACE, /* it went with its interface */
	FASTPATH_STATES
};
struct fastpath_part {
	enum fastpath_kind kind;
	enum fastpath_state state;
	char interface[16]; /* "": of none */
	/* What stands for it, and what was seen last: index of the interface; id of the program,
	 * for FASTPATH_POLICY enum route_state. 0:
	 * none. */
	struct fastpath_sight {
		uint32_t ifindex, id;
	} ours, seen;
	bool generic, dispatched; /* FASTPATH_XDP, by fastpath_mend */
	bool rival;               /* FASTPATH_OTHER: another greygated's, by fastpath_mend */
	bool restored;            /* FASTPATH_STANDS: it didn't until now, by fastpath_mend */
	char renamed[16];         /* FASTPATH_NO_INTERFACE: what it is called now; "": it is gone */
	char why[256];            /* "" while it stands */
};
#define FASTPATH_PARTS (3 * FASTPATH_INTERFACES + 2)

struct fastpath;

/* The hot index is out of force until fastpath_sync or fastpath_tidy. */
int fastpath_open(const struct fastpath_conf *conf, struct fastpath **ret, char *err,
		  size_t err_size);
/* Closes descriptors; programs, maps and pins stay in force. */
void fastpath_close(struct fastpath **fp);
/* The same when somebody else's daemon serves: the maps don't say that it is gone. */
void fastpath_leave(struct fastpath **fp);
/* Descriptor of the lock, for held_lock of a successor. */
int fastpath_lock_fd(const struct fastpath *fp);
/* Once the successor has it: it is the successor's alone. */
void fastpath_lock_leave(struct fastpath *fp);
/* A successor did not come after all, but may have changed what it found: switches are written
 * again, the index is built again. Entries: fastpath_sync, then fastpath_import. */
void fastpath_again(struct fastpath *fp);
/* Lets a user change the names of pins, so that fastpath_import works without rights. */
int fastpath_give(struct fastpath *fp, uid_t uid, gid_t gid);
/* Removes every program, link and pin of this bpffs directory; interfaces are found by themselves.
 * 0 also when there was nothing; report gets one line for each thing removed. -EXDEV, and the pins
 * stay, when an interface of another network namespace has a program of them; -EADDRINUSE when
 * there was nothing but programs of another bpffs whose daemon seems to be at work. */
int fastpath_detach(const char *bpffs, void (*report)(const char *line, void *arg), void *arg,
		    char *err, size_t err_size);

/* The same of a bpffs that is there, before a start that has no use for it: of other greygateds
 * nothing is touched. held_lock: as of fastpath_conf, stays the caller's, and then the directory
 * stays; 0: none. -EBUSY: a running one works on it. */
int fastpath_clear(const char *bpffs, int held_lock, void (*report)(const char *line, void *arg),
		   void *arg, char *err, size_t err_size);

int fastpath_attachments(const struct fastpath *fp, const struct fastpath_attachment **ret);
/* gateway mode: why the way out is not watched although it was to be; NULL: it is. */
const char *fastpath_observe_why(const struct fastpath *fp);
bool fastpath_reused(const struct fastpath *fp); /* pins of an earlier start were taken over */
/* "v2", "v0, v3": pins of other schemas, or of this one but not to be read, whose programs this
 * start replaced and which it removed; "": there were none. What they held comes by fastpath_sync.
 */
const char *fastpath_replaced(const struct fastpath *fp);

/* Asks the kernel whether all parts are still there; needs no rights. What can't be asked stays as
 * it was. True: something is not as it was at the last look. One thread. */
bool fastpath_look(struct fastpath *fp);
/* The parts as the last look found them; any thread. Returns how many. */
int fastpath_parts(struct fastpath *fp, struct fastpath_part ret[FASTPATH_PARTS]);
/* Puts back what is missing of a start with these settings whose pins are in force, and leaves what
 * somebody else has put in its place. For a process with the rights of fastpath_open, while the
 * daemon holds the lock and neither starts nor detaches. see gets each part as it is afterwards,
 * with the link of the socket lookup program where it made a new one, else -1. -errno: nothing
 * could be done. */
int fastpath_mend(const struct fastpath_conf *conf,
		  void (*see)(const struct fastpath_part *part, int link, void *arg), void *arg,
		  char *err, size_t err_size);
/* What fastpath_restore needs of the daemon: descriptors that stay its own. */
#define FASTPATH_HELD 24
void fastpath_held(struct fastpath *fp, int ret[FASTPATH_HELD]);
/* What a successor has put into the kernel that did not stay, or was killed on the way, gives way
 * to a start with these settings: programs over the maps held, whatever is pinned now, and their
 * pins; what the maps hold is the daemon's to put right (fastpath_again). For the same process as
 * fastpath_mend, when the successor is gone; see, and -errno, as there. *ret_pins: for
 * fastpath_restored. */
int fastpath_restore(const struct fastpath_conf *conf, const int held[FASTPATH_HELD],
		     void (*see)(const struct fastpath_part *part, int link, void *arg), void *arg,
		     int *ret_pins, char *err, size_t err_size);
void fastpath_restored(struct fastpath *fp, int pins);
/* A map whose pin is gone, so that fastpath_mend can't find it, until a start makes it anew; "":
 * all of them, their file system was unmounted or another one mounted in its place; NULL: none.
 * Needs no rights; any thread. */
const char *fastpath_unpinned(const struct fastpath *fp);
/* "/sys/fs/bpf/greygate/v1/host4": where that map is pinned; of "" the directory. */
#define FASTPATH_PIN 256
void fastpath_pin(const struct fastpath *fp, const char *map, char ret[FASTPATH_PIN]);
/* What it has told, to the daemon whose parts they are. link: -1, or from now on the fast path's.
 */
void fastpath_mended(struct fastpath *fp, const struct fastpath_part *part, int link);

/* Entries of the daemon's own. e->expires is CLOCK_REALTIME s as everywhere in the daemon and is
 * converted here. A length of 128 goes to host4/host6, a shorter one to own4/own6 and net4/net6.
 * -ENOSPC when the map is full, see fastpath_oldest. */
int fastpath_put(struct fastpath *fp, const struct prefix *p, const struct verdict_entry *e);
/* The same, but whom p holds is left to the daemon: for prefixes within which the kernel lacks
 * something that says otherwise. */
int fastpath_put_asking(struct fastpath *fp, const struct prefix *p, const struct verdict_entry *e);
/* Whether the programs act on it without the daemon. */
bool fastpath_alone(const struct verdict_entry *e);
int fastpath_del(struct fastpath *fp, const struct prefix *p); /* -ENOENT */
int fastpath_get(struct fastpath *fp, const struct prefix *p, struct gg_entry *ret);
/* When the programs used it last, as far as a sweep has found that: CLOCK_REALTIME s; 0: never, or
 * it isn't there. */
uint32_t fastpath_seen(struct fastpath *fp, const struct prefix *p);
/* What the programs find for an address, imported lists too: its prefix and entry. -ENOENT. */
int fastpath_find(struct fastpath *fp, const struct addr *a, struct prefix *ret_prefix,
		  struct gg_entry *ret);
/* Which map an entry of the daemon's own goes to; and those that had no room for the last one that
 * was to go there and was new: bits 1u << map. */
enum fastpath_map { FASTPATH_HOST4, FASTPATH_HOST6, FASTPATH_NET4, FASTPATH_NET6, FASTPATH_MAPS };
enum fastpath_map fastpath_map_of(const struct prefix *p);
unsigned fastpath_full(const struct fastpath *fp);
/* Up to n entries of the map that p would go to that expire first of those no operator has made.
 * Takes as long as the map is large, not for workers. Returns how many, or -errno. */
int fastpath_oldest(struct fastpath *fp, const struct prefix *p, struct prefix *ret, int n);
/* Whether the kernel also holds what verdicts holds: puts what is missing, removes what is no
 * longer there. At start, after load. Returns how many entries it changed, or -errno. -ENOSPC: not
 * all have room; operators' allows came first, then what else operators say. Prefixes that the
 * programs would act on alone then ask the daemon: which of them may be in force is the caller's to
 * find out. */
int fastpath_sync(struct fastpath *fp, struct verdicts *v, uint32_t now);

/* Puts imported lists in force, in place of those before: net4 and net6 are exchanged as a whole,
 * no packet is judged by a part of them, and the daemon's own entries are in both. At a start too,
 * with or without lists: what the pins still hold of earlier ones goes. What they say within skip
 * stays out of the kernel. in (NULL: none) and skip stay the caller's and must live until they are
 * replaced. Any thread; several wait for each other. 0, or -errno and all is as it was: -ENOSPC,
 * -EACCES (see fastpath_give). */
struct fastpath_progress {
	void (*tell)(size_t done, size_t all, void *arg); /* NULL: nobody wants to know */
	void *arg;
};
int fastpath_import(struct fastpath *fp, const struct imports *in, const struct prefix *skip,
		    int skip_count, const struct fastpath_progress *progress);
/* New connections (drop_all: packets) of those that a list names, by its number, which the programs
 * alone have answered or let through to the mail server; and from zero again. */
uint64_t fastpath_list_hits(struct fastpath *fp, uint8_t list);
void fastpath_list_reset(struct fastpath *fp, uint8_t list);

/* Reads host4/host6/own4/own6 in batches and reports each allow or deny entry; last_seen in
 * CLOCK_REALTIME s, 0 when never. One thread at a time. */
typedef void (*fastpath_seen_fn)(const struct prefix *p, const struct gg_entry *e,
				 uint32_t last_seen, void *arg);
int fastpath_sweep(struct fastpath *fp, fastpath_seen_fn see, void *arg);

/* Clears away what a list that was replaced has left, a part at a time. Builds the hot index anew
 * when the entries have outgrown it; the programs ask host4 and host6
 * meanwhile. Once a second, by the thread that sweeps. -errno: not built, tried again next time. */
int fastpath_tidy(struct fastpath *fp);

/* By how much CLOCK_MONOTONIC here differs from the kernel's own, which its programs go by: other
 * than 0 in a time namespace with an offset. s, rounded away from 0. root: before /proc, "" but in
 * tests. False: it can't be read, as in a kernel without such namespaces. */
bool fastpath_clock_offset(const char *root, long long *ret);

/* Whether a start could put the XDP program on an interface, as far as who is there says: 0;
 * -EBUSY: somebody else's that can't share; -EADDRINUSE: another greygated is at work there; err
 * says what the start would. bpffs: as of fastpath_conf. Needs its rights, and changes nothing. */
int fastpath_vacant(const char *bpffs, const char *interface, char *err, size_t err_size);
/* How much of the path of a directory, open as fd, leads to the mount it is in. */
size_t fastpath_mount(const char *dir, int fd);
/* Whether its packets have the Ethernet header that the programs read; what can't be asked is taken
 * to. False: *ret_type is its ARPHRD_*. Any thread, any process. */
bool fastpath_ethernet(const char *interface, int *ret_type);
/* For people: what to do about one without. */
const char *fastpath_without_ethernet(enum gg_mode mode);

/* The interface of which another one is a port; false: of none, or it can't be asked. Any thread,
 * any process. */
struct fastpath_master {
	char name[IF_NAMESIZE];
	char kind[16];  /* as bridge, bond, vrf; "": not known */
	bool stands_in; /* it can be in interfaces in the port's place */
};
bool fastpath_master(const char *interface, struct fastpath_master *ret);
/* gateway mode: an interface that is a port of another one, past which strangers go: what it means,
 * and the mend, for people. Any thread, any process. */
#define FASTPATH_PORT 350
bool fastpath_port(const char *interface, char ret[FASTPATH_PORT]);

/* gateway mode: what may send strangers past the daemon who come by an interface, and the mend, for
 * people. False: nothing does, or it can't be asked. Any thread, any process. */
/* A tc filter of somebody else before ours. */
bool fastpath_ahead(const char *interface, char ret[FASTPATH_PORT], char ret_mend[FASTPATH_PORT]);
/* A tcx program, which runs before all filters. Needs CAP_NET_ADMIN. */
bool fastpath_tcx(const char *interface, char ret[FASTPATH_PORT], char ret_mend[FASTPATH_PORT]);
/* A macvlan or ipvlan over it that is not in interfaces itself, and is no other network
 * namespace's: name and kind, for the format; *ret_name is "" where there is none. */
#define FASTPATH_UPPER                                                                             \
	"interface %s: what is for an address of %s (%s) over it is that one's: strangers who "    \
	"come by it go past the daemon"
bool fastpath_upper(const char *interface, char *const *interfaces, int interface_count,
		    char ret_name[16], char ret_kind[16]);
/* The priority of the tc filter at our place, of a part that is one. */
uint32_t fastpath_filter(const struct fastpath_part *part);

/* The interface by which a packet from here to an address that isn't ours leaves, as the routes are
 * now. -ENODEV: it is ours; -ENETUNREACH and what else the kernel says: there is no way. Any
 * thread, any process. */
int fastpath_way_out(const struct addr *to, char ret[IF_NAMESIZE]);
/* How a protected address is reached. */
struct fastpath_way {
	const struct endpoint *to;
	int code;              /* 0, or why it is not: as of fastpath_way_out */
	bool named;            /* by one of the interfaces that were given */
	char out[IF_NAMESIZE]; /* by which; where it is not: by which it should be, "": not known */
};
/* The ways to all of these: each interface once, with the first address beyond it, and each address
 * that is not reached. Returns how many, at most n. Any thread, any process. */
int fastpath_ways(const struct endpoint *to, int n, char *const *interfaces, int interface_count,
		  struct fastpath_way *ret);
/* Of an address that is not reached, for people: what it means, and the command that mends it. */
#define FASTPATH_NO_WAY 160
void fastpath_no_way(const struct fastpath_way *w, char ret[FASTPATH_NO_WAY],
		     char ret_mend[FASTPATH_NO_WAY]);

/* Replaces the protected endpoints (vip): additions and removals one by one. There is room for
 * GG_ENDPOINTS: of more, those that are protected already stay, then come the first. */
int fastpath_vips(struct fastpath *fp, const struct endpoint *vips, int n);
/* For how many of them there was none, so that they are not protected. Any thread. */
int fastpath_unguarded(const struct fastpath *fp);
/* Puts a listening socket into socks; fd stays the caller's. host mode. */
int fastpath_listener(struct fastpath *fp, enum gg_sock slot, int fd);
void fastpath_heartbeat(struct fastpath *fp);
/* gateway mode: what XDP knows nothing of, and leaves to the stack what is to be sent on for:
 * policies of IPsec, from the first one on until the next start, or policy rules that ask for
 * marks, as long as there are any. NULL: nothing. The thread of fastpath_heartbeat. */
const char *fastpath_stack_forwards(const struct fastpath *fp);
void fastpath_set_when_down(struct fastpath *fp, bool open);
void fastpath_set_sample(struct fastpath *fp, uint32_t sample);
void fastpath_set_limits(struct fastpath *fp, uint32_t per_source, uint32_t per_cpu);
/* Sums the per-CPU counters. */
int fastpath_stats(struct fastpath *fp, uint64_t ret[GG_STAT_MAX]);
/* Drains the events ring: calls see for each record. */
int fastpath_events(struct fastpath *fp, void (*see)(const struct gg_event *e, void *arg),
		    void *arg);
/* Looks for sources whose limit has ended and who have not come again, which is when the programs
 * tell it: see gets GG_EVENT_LIMIT_END of each, and says whether it is told by that. If not, it is
 * there the next time. As long as the maps of limits are large; 0 or -errno. */
int fastpath_limits_ended(struct fastpath *fp, bool (*see)(const struct gg_event *e, void *arg),
			  void *arg);

#endif
