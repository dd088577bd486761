/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of this room share. Functions that take err write one line to it when they fail:
 * the thing, the cause, the mend.
 */
#ifndef FASTPATH_INTERNAL_H
#define FASTPATH_INTERNAL_H

#include "bucket.h"
#include "fastpath.h"

#include <limits.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <stdatomic.h>

#define PINS_PATH FASTPATH_PIN
#define PINS_NAME 32 /* longest name below it, with its slash */

enum map_id {
	MAP_HOST4,
	MAP_HOST6,
	MAP_OWN4,
	MAP_OWN6,
	MAP_NET4,
	MAP_NET6,
	MAP_SPARE4,
	MAP_SPARE6,
	MAP_NETS4,
	MAP_NETS6,
	MAP_LISTS,
	MAP_VIP,
	MAP_STATS,
	MAP_EVENTS,
	MAP_CONF,
	MAP_META,
	MAP_SOCKS,
	MAP_ASKING,
	MAP_INDEX4,
	MAP_INDEX6,
	MAP_RATE4,
	MAP_RATE6,
	MAP_BUDGET,
	MAP_PORTS,
	MAP_COUNT
};

_Static_assert(MAP_COUNT == FASTPATH_HELD, "all maps are held");

/* Pin and object name of each map. */
extern const char *const map_names[MAP_COUNT];

struct ring_buffer;

enum { INDEX4, INDEX6, INDEX_COUNT };

/* index4 or index6 in shared memory, and what only its writer knows of it. */
struct index {
	struct gg_bucket *bucket; /* [0] is the head */
	size_t bytes;
	uint32_t room;     /* buckets there are */
	uint32_t used;     /* of them; 0: off, and changes of entries are not made in it */
	uint32_t hash_key; /* key of the hash */
	bool exact;        /* a slot names one address; if not, it is a tag */
	size_t count;      /* entries, about */
	uint32_t full, full_at_build; /* buckets */
};

/* See nets.c. */
struct nets {
	pthread_mutex_t lock; /* spare tries: who works on them; taken before fp->lock */
	bool used[2];         /* the spare trie of a family may hold something */
	/* The rest under fp->lock. */
	enum { NETS_STILL, NETS_FILLING, NETS_TWIN } state;
	bool known;                    /* imports are what is in force: the first are put */
	const struct imports *imports; /* in force; NULL: none */
	const struct prefix *skip;     /* what lists say within these stays out of the kernel */
	int skip_count;
	size_t listed[2];        /* entries in force, IPv4 and IPv6 */
	const struct nets *next; /* NETS_TWIN: imports and skip of the spare tries */
	struct prefix *changed;  /* NETS_FILLING: own prefixes, since it began */
	size_t changed_count, changed_room;
	int failed;     /* one could not be noted */
	uint64_t lines; /* geometry of what listed_build has made; 0: nothing */
};

/* What settings need of the policy route: a rule for each interface, in each family. */
struct route_need {
	char interface[FASTPATH_INTERFACES][IF_NAMESIZE];
	int count;
	bool family[2]; /* IPv4, IPv6 */
};

struct fastpath {
	char dir[PINS_PATH];
	int lock_fd;
	int pins_fd; /* of the pins in force: their names change, without the right to come by */
	size_t mount_len; /* of the path of the pins, that of their mount */
	int maps[MAP_COUNT];
	struct index index[INDEX_COUNT];
	bool reused;
	_Atomic unsigned full;        /* see fastpath_full */
	size_t room_hosts, room_nets; /* for entries of the daemon's own, in each family; 0: as many
					 as a bare load gives */
	size_t imported;              /* entries of lists that there is room for, in each family */
	_Atomic int unguarded;        /* see fastpath_unguarded */
	bool shared;       /* entries may have other writers: a start has compared them */
	char replaced[64]; /* pin directories of other schemas that this start removed */
	struct fastpath_attachment attachments[FASTPATH_INTERFACES];
	int attachment_count;
	char observe_why[200]; /* "": it does, or is not to */
	struct ring_buffer *ring;
	void (*see_event)(const struct gg_event *e, void *arg);
	void *see_arg;
	pthread_mutex_t lock; /* entries' writers, index, conf and meta */
	struct nets nets;
	struct gg_conf switches;
	struct gg_meta meta;
	int rules_fd;         /* rtnetlink, gateway mode; -1: none */
	int ipsec_fd;         /* of ipsec_open, gateway mode; -1: none */
	bool ipsec;           /* policies, now or since the start */
	const char *by_stack; /* fastpath_stack_forwards */
	struct route_need route;
	struct fastpath_part
		parts[FASTPATH_PARTS]; /* under lock; the looking thread alone writes */
	int part_count;
	int link_fd; /* of the socket lookup program; -1: none */
};

/* ---- words.c ---- */

/* Prints to err and returns code. */
int words_fail(char *err, size_t err_size, int code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* From now on libbpf and libxdp say nothing; the most telling line since words_forget is kept. */
void words_mute(void);
void words_forget(void);
/* The line kept, or what the code means when there is none. */
const char *words_reason(int code);

/* ---- probe.c ---- */

int probe_capabilities(char *err, size_t err_size);
int probe_clock(char *err, size_t err_size);
int probe_kernel(const struct fastpath_conf *conf, char *err, size_t err_size);
/* gateway mode: the kernel must forward what the daemon doesn't take. */
int probe_forwarding(const struct fastpath_conf *conf, char *err, size_t err_size);
int probe_interfaces(const struct fastpath_conf *conf, char *err, size_t err_size);

/* ---- pins.c ---- */

/* Opens and locks bpffs, made if need be (create). -ENOENT without create: there is none. */
int pins_lock(const char *bpffs, bool create, int *ret_fd, char *err, size_t err_size);
/* dir/name; -ENAMETOOLONG. */
int pins_path(char ret[PINS_PATH], const char *dir, const char *name);
/* The directory of this schema, or the one it is built in. */
int pins_dir(char ret[PINS_PATH], const char *bpffs, bool building);
/* v1, v1-new, v2, ...: bpffs may hold other people's things. */
bool pins_is_dir(const char *name);
/* Whether there are any, of whatever schema, but those of a start that did not finish. */
bool pins_any(const char *bpffs);
/* Removes those of other schemas, with the socket lookup links pinned there; ret gets their names,
 * and that of this schema too where strange pins stood there. */
void pins_clear_others(const char *bpffs, bool strange, char *ret, size_t size);
/* Removes a directory of pins, and what somebody has made in it; returns how many pins went, or
 * -errno. Absent: 0. */
int pins_remove(const char *dir);
/* What is built takes the place of what is in force, which then stands where it was built. */
int pins_swap(const char *bpffs, bool *ret_had_old);
/* The pins of the tries in force and of the spare ones change names. */
int pins_exchange(const struct fastpath *fp);
/* Whether there is a pin of that name in force, as far as can be told. */
bool pins_has(const struct fastpath *fp, const char *name);
/* Ids of maps pinned here, in force or not, that every program of ours uses. */
#define PINS_IDS 16
struct pins_ids {
	uint32_t ids[PINS_IDS];
	int count;
};
void pins_own(const char *bpffs, struct pins_ids *ret);
/* Adds those of open maps, pinned or not. */
void pins_add(struct pins_ids *to, const int maps[MAP_COUNT]);
/* Whether these maps, and no others, are pinned in dir. */
bool pins_are(const char *dir, const int maps[MAP_COUNT]);

/* ---- ipsec.c ---- */

/* A socket for ipsec_changed, -1: there is nothing to hear; any: whether there are policies for
 * what is sent or forwarded. Needs CAP_NET_ADMIN, without which there may be some. */
int ipsec_open(bool *ret_any);
/* Whether a policy came, or went, since. Needs no rights. */
bool ipsec_changed(int fd);

/* ---- parts.c ---- */

#define PARTS_BEHIND "a rule of others stands before them, and what it takes may go past the daemon"
#define PARTS_SUNK "they have sunk below rules that others took away again, and go back up"

/* All parts of a start with these settings, none seen yet. Returns how many. */
int parts_of(const struct fastpath_conf *conf, struct fastpath_part ret[FASTPATH_PARTS]);
/* What is there now; link: of the socket lookup program, or -1. -errno: it can't be asked. */
int parts_see(const struct fastpath_part *p, const struct route_need *route, int link,
	      struct fastpath_sight *ret);
/* A start has succeeded: what there is now is what should be there. */
void parts_begin(struct fastpath *fp, const struct fastpath_conf *conf);

/* ---- maps.c ---- */

struct bpf_object;

struct maps_result {
	bool reused;           /* all of the pinned maps are in use as they are */
	struct gg_meta meta;   /* of the pins found; zero without */
	struct gg_conf before; /* with those that were there; all flags: there were none */
};

/* Opens what is pinned in dir and fits, creates the rest, carries entries over. Fills maps[]. */
int maps_take(const struct fastpath_conf *conf, const char *dir, int maps[MAP_COUNT],
	      struct maps_result *ret, char *err, size_t err_size);
int maps_pin(const int maps[MAP_COUNT], const char *dir, char *err, size_t err_size);
/* Opens all that are pinned in dir; -errno and err when one is not. */
int maps_open(const char *dir, int maps[MAP_COUNT], char *err, size_t err_size);
void maps_close(int maps[MAP_COUNT]);
/* Makes an object that is open, not loaded, use these maps. */
int maps_use(struct bpf_object *obj, const int maps[MAP_COUNT]);

/* ---- owner.c ---- */

/* Whose program it is, by the meta map it uses. */
enum owner { OWNER_OTHER, OWNER_US, OWNER_GONE, OWNER_ALIVE };
enum owner owner_of(int prog_fd, const struct pins_ids *own);
/* Binds a program to the meta map, read by it or not: by that it is known whose it is, also when
 * its pins are gone. */
void owner_sign(int prog_fd, const int maps[MAP_COUNT]);

/* The XDP program of an interface. */
struct occupant {
	int fd;         /* its program when that stands alone, else -1; the caller's to close */
	uint32_t flags; /* its mode */
	enum owner owner;
	struct bpf_prog_info info;
	bool dispatched; /* a dispatcher of libxdp */
};
/* Whose it is and how it stands; of a dispatcher, whose one in it is: another's at work before ours
 * before anybody else's. -errno when the kernel doesn't say. */
int owner_look(int ifindex, const struct pins_ids *own, struct occupant *ret);

/* ---- attach.c ---- */

struct xdp_bpf;
struct xdp_program;

/* One interface during a start: what was there, what this start put there. */
struct attach {
	int ifindex;
	int old_fd;         /* the program replaced, -1: none */
	uint32_t old_flags; /* its mode */
	struct xdp_bpf *skel;
	struct xdp_program *program; /* attached through libxdp */
	uint32_t flags;              /* mode of ours when it stands alone */
	bool dispatched;
};

/* Puts the program on an interface, over what an earlier start left there. */
int attach_interface(const char *name, enum fastpath_xdp mode, const int maps[MAP_COUNT],
		     const struct pins_ids *own, struct attach *ret,
		     struct fastpath_attachment *ret_how, char *err, size_t err_size);
void attach_undo(struct attach *a);
/* Ends a start: drops what a dispatcher still holds of an earlier one. */
void attach_commit(struct attach *a, const struct pins_ids *own);
/* Takes our programs off every interface but the kept ones; says each. Returns how many. orphans:
 * also those of another bpffs whose daemon is gone. */
int attach_clear(const struct pins_ids *own, bool orphans, const int *keep, int keep_count,
		 void (*report)(const char *line, void *arg), void *arg);

/* Says that an OWNER_ALIVE has the interface, by its program; -EADDRINUSE. */
int attach_rival(const char *name, uint32_t id, char *err, size_t err_size);
/* Whether a program of ours is on an interface, alone or beside others; a->flags and dispatched say
 * how. */
bool attach_stands(int ifindex, const struct pins_ids *own, struct attach *a);
/* The mode that settings ask for: behind generic XDP the gateway's tc program doesn't get to see
 * every packet. */
enum fastpath_xdp attach_mode(const struct fastpath_conf *conf);

/* ---- filter.c ---- */

/* A tc program during a start: where this start put it, and over what. */
struct filters {
	bool out; /* on the way out */
	int ifindex[FASTPATH_INTERFACES];
	int old_fd[FASTPATH_INTERFACES];       /* -1: none */
	int old_priority[FASTPATH_INTERFACES]; /* where that stood, for filter.c */
	int count;
};

/* Loads the gateway's program, or the one that watches the way out, over maps and puts it on every
 * interface. After a failure *ret still says where it got to, for filter_undo. */
int filter_attach(const struct fastpath_conf *conf, const int maps[MAP_COUNT],
		  const struct pins_ids *own, struct filters *ret, char *err, size_t err_size);
int filter_watch(const struct fastpath_conf *conf, const int maps[MAP_COUNT],
		 const struct pins_ids *own, struct filters *ret, char *err, size_t err_size);
void filter_undo(struct filters *f);
void filter_close(struct filters *f);
/* Id of the program at our place on one side of an interface; 0: none. Needs no rights. -errno. */
int filter_id(int ifindex, bool out, uint32_t *ret);
/* Whose that is; OWNER_OTHER where there is none. */
enum owner filter_owner(int ifindex, bool out, const struct pins_ids *own);
/* Whether an interface has the gateway's program, of whatever greygated: its rules are in use. */
bool filter_on(const char *name);
/* As attach_clear, of either side; keep_in and keep_out may be NULL. */
int filter_clear(const struct pins_ids *own, bool orphans, const struct filters *keep_in,
		 const struct filters *keep_out, void (*report)(const char *line, void *arg),
		 void *arg);

/* ---- route.c ---- */

/* Rules and routes for these interfaces and the families that are protected; twice is once. Rules
 * that stand behind others' go before them. */
int route_add(const struct fastpath_conf *conf, char *err, size_t err_size);
/* Removes rules of interfaces that have no tc program of any greygated, and what the settings kept
 * (NULL: none) don't need on theirs; a family's route with its last rule. Returns how many. */
int route_clear(const struct fastpath_conf *keep);

void route_need(const struct fastpath_conf *conf, struct route_need *ret);
/* BEHIND: all is there, and rules of others stand before some of it, and may take what is the
 * daemon's. SUNK: none do, but of those that have there were so many that there is little room for
 * more. */
enum route_state { ROUTE_GONE, ROUTE_STANDS, ROUTE_BEHIND, ROUTE_SUNK };
/* Whether all of that is there, whatever else is: enum route_state. Needs no rights. -errno. */
int route_stands(const struct route_need *need, uint32_t *ret);

/* What the policy rules of both families are, but ours; the worst where it can't be asked. */
struct route_others {
	bool main_only; /* the kernel's own */
	bool marks;     /* some ask for a mark, which netfilter may give a packet and XDP not see */
};
struct route_others route_others(int fd);

/* ---- lookup.c ---- */

struct lookup {
	int link_fd;
	int old_prog_fd;     /* what the link ran before, -1: the link is new */
	char pin[PINS_PATH]; /* made by this start, "": none */
};

/* libxdp makes it when it asks whether it may use dispatchers, and leaves it. */
#define LIBXDP_DIR "/sys/fs/bpf/xdp"
#define LOOKUP_PIN "link_lookup"

/* Loads the program over maps and puts it in force; the link is the one pinned in dir when it fits,
 * and is pinned in pin_dir. */
int lookup_attach(const int maps[MAP_COUNT], const char *dir, const char *pin_dir,
		  struct lookup *ret, char *err, size_t err_size);
void lookup_undo(struct lookup *l);
/* The link pinned in dir, where it is attached to this network namespace; -errno. */
int lookup_open(const char *dir);
/* Id of the program that a link runs; 0: it was detached. Needs no rights. -errno. */
int lookup_id(int link_fd, uint32_t *ret);
/* Whether that is one of ours. */
bool lookup_ours(int link_fd, const struct pins_ids *own);
void lookup_close(struct lookup *l);
/* Ends the link pinned in dir; true if there was one. */
bool lookup_detach(const char *dir);

/* ---- mend.c ---- */

/* Putting back, part by part. */
struct mend {
	const struct fastpath_conf *conf;
	char dir[PINS_PATH];     /* where the pins are */
	char pin_dir[PINS_PATH]; /* where a link is pinned: there, or where the pins are built */
	struct pins_ids own;     /* whose programs may be replaced */
	struct pins_ids mine;    /* whose programs stand: those over the maps */
	struct route_need route;
	int maps[MAP_COUNT];
	int link; /* of the socket lookup program */
	bool made_link;
	bool alone; /* no other start's program may be left beside ours in a dispatcher */
};
/* With conf, maps and dir filled in: the rest. */
void mend_begin(struct mend *m);
/* Looks at it, puts it back where it isn't there, and says how it is then. */
void mend_part(struct mend *m, struct fastpath_part *p);
/* Tells how each is; a link that was made anew goes along, and is closed. */
void mend_end(const struct mend *m, const struct fastpath_part *parts, int n,
	      void (*see)(const struct fastpath_part *part, int link, void *arg), void *arg);

/* ---- walk.c ---- */

/* A batch of n keys and values. Other than 0 ends the walk. */
typedef int (*walk_fn)(const void *keys, const void *values, uint32_t n, void *arg);
int walk_map(int fd, walk_fn see, void *arg);
/* How many entries it holds. */
int walk_count(int fd, size_t *ret);
/* The same with a batch read and seen under lock, so that it is true while it is seen. */
int walk_map_locked(int fd, pthread_mutex_t *lock, walk_fn see, void *arg);

/* ---- index.c ---- */

/* What the index over that map needs for so many hosts. */
uint32_t index_elements(enum map_id id, uint32_t hosts);
int index_open(struct fastpath *fp);
/* Whether a map that was found means by its content what this version does. */
bool index_is_ours(int map);
void index_close(struct fastpath *fp);
/* Out of force, until it is built; its marks are kept. Takes fp->lock. */
void index_off(struct fastpath *fp);
/* From the truth, at one go. The programs ask the truth meanwhile; on failure they go on so. */
int index_build(struct fastpath *fp);
/* The same step by step, for who sees the entries anyway. Empty, with room for so many, and not in
 * force: changes of entries are made in it too from here on. Then what the truth holds, under
 * fp->lock, and each but once. Then it is in force. */
int index_prepare(struct fastpath *fp, enum map_id id, size_t entries);
void index_add(struct fastpath *fp, enum map_id id, const void *keys,
	       const struct gg_entry *entries, uint32_t n);
void index_enforce(struct fastpath *fp, enum map_id id);

/* ---- listed.c ---- */

/* Elements of index4 behind its buckets, for so many entries of lists. */
uint32_t listed_lines(size_t imported);
/* Out of force: what stands there may be another version's, or of other lists. */
void listed_open(struct fastpath *fp);
/* Under fp->nets.lock. Out of force, before net4 is exchanged; anew from fp->nets, when it is and
 * every program that ran before has ended; as they were, if it was not exchanged. */
void listed_off(struct fastpath *fp);
void listed_build(struct fastpath *fp);
void listed_again(struct fastpath *fp);

/* One change of a host entry: begin, change the truth, put or del if that went well, end. All under
 * fp->lock. A no-op for prefixes. */
struct index_edit {
	struct index *index;
	struct gg_bucket *bucket; /* all of them; NULL: nothing to do */
	struct bucket_place own, away;
};
struct index_edit index_begin(struct fastpath *fp, enum map_id id, const void *key);
void index_put(const struct index_edit *e, const struct gg_entry *entry, bool known);
void index_del(const struct index_edit *e);
void index_end(const struct index_edit *e);
/* Takes the mark of a host; whether there was one. With fp->lock held. */
bool index_take_mark(struct fastpath *fp, const struct gg_key4 *key);

/* ---- marks.c ---- */

/* Turns marks into last_seen and looks after ends that have passed. now: s, CLOCK_MONOTONIC. Takes
 * fp->lock. Negative errno: some of the marks are lost. */
int marks_sweep(struct fastpath *fp, uint64_t now);

/* ---- entries.c ---- */

/* CLOCK_REALTIME minus CLOCK_MONOTONIC, s. */
int64_t entries_offset(void);
uint64_t entries_now(void); /* s, CLOCK_MONOTONIC */
union entries_key {
	struct gg_key4 host4;
	struct gg_key6 host6;
	struct gg_net4 net4;
	struct gg_net6 net6;
};
/* The key of a prefix of any length in a trie; returns which map holds the daemon's own. */
enum map_id entries_net_key(const struct prefix *p, union entries_key *ret);
/* What is put in the place of e to have the daemon asked: limits count whom e denies. */
struct verdict_entry entries_asking(const struct verdict_entry *e);
/* The prefix that a key of a host or own map stands for. */
struct prefix entries_prefix(enum map_id id, const void *key);
/* Deletes it if it has been expired since before `since` (s, CLOCK_MONOTONIC). */
int entries_expire(struct fastpath *fp, const struct prefix *p, uint64_t since);
/* Puts into maps that hold none of it, in batches, and into an index that is prepared. Several
 * threads at a time, each with one of its own, and no other writer. put: 0, or what went wrong with
 * it or one before, and then the index lacks something. NULL: no memory. */
struct entries_bulk;
struct entries_bulk *entries_bulk_new(struct fastpath *fp);
int entries_bulk_put(struct entries_bulk *b, const struct prefix *p, const struct verdict_entry *e);
int entries_bulk_end(struct entries_bulk **b);

/* ---- nets.c ---- */

void nets_open(struct fastpath *fp);
/* Whether what a list says there stays out of the kernel. */
bool nets_skip(const struct nets *n, const struct import_item *item);
void nets_close(struct fastpath *fp);
/* Somebody else may have exchanged the tries. Under fp->lock. */
void nets_again(struct fastpath *fp);
/* Counts what the tries hold, for the programs; before: what was told them of the same tries. */
int nets_count(struct fastpath *fp, const struct gg_conf *before);
/* own4 or own6 has changed at p, which is `by` entries more: the tries follow. Under fp->lock. */
int nets_changed(struct fastpath *fp, const struct prefix *p, int by);
/* Deletes at most so many entries of each of the spare tries. */
int nets_tidy(struct fastpath *fp, size_t most);

/* ---- switches.c ---- */

/* Flags of gg_conf for what else than the main table has a say in where packets go. */
__u32 switches_ways(struct fastpath *fp);
/* Writes fp->switches to conf. With fp->lock held, or before others know fp. */
int switches_write(struct fastpath *fp);
/* An entry that says this is about to be put, in whatever map: the programs look it up from now on.
 * Under fp->lock. -errno: they don't, and it must not be put. */
int switches_expect(struct fastpath *fp, enum gg_verdict verdict, enum gg_action action);
/* Writes them after somebody else has put entries. Under fp->lock. */
int switches_again(struct fastpath *fp);
/* Fills in the limits, without writing them. */
void switches_limits(struct gg_conf *c, uint32_t per_source, uint32_t per_cpu);
int switches_write_meta(struct fastpath *fp);
/* The interfaces that XDP may send out of, into that map. */
int switches_ports(int ports, const struct fastpath_conf *conf);

#endif
