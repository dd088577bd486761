/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration: one file, checked whole before any of it counts.
 *
 * schema.c holds one table of every key (section, name, kind, default, range, whether a reload may
 * change it, its line in the manual); parsing, checking, `greygated -t`, the sample file and the
 * manual's table come from it. A struct config is immutable once loaded; strings belong to it.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <greygate/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../core/addr.h"
#include "../core/log.h"
#include "../dns/lists.h"
#include "../fastpath/fastpath.h"
#include "../lists/reader.h"
#include "../policy/policy.h"
#include "../policy/relief.h"

/* dnslist "ZONE" { ... } */
#define CONFIG_DNSLISTS 16
struct config_dnslist {
	char *zone;
	int32_t weight; /* positive: listed is bad */
	struct dnslist_replies replies;
};

/* list "NAME" { ... } */
#define CONFIG_LISTS 64
#define CONFIG_LIST_NAME 31
/* A verdict of a list: whom it names is taken out of the list before it. */
#define CONFIG_EXCEPT ((enum gg_verdict)3)
struct config_list {
	char *name; /* letters, digits, ".", "_", "-" */
	char *file;
	enum list_format format;
	enum gg_verdict verdict; /* or CONFIG_EXCEPT; GG_UNKNOWN: not said, see below */
	enum gg_action action;   /* of what it denies */
	char *message;           /* NULL: none */
};
#define CONFIG_BACKENDS 16
#define CONFIG_WAITING 1024         /* most of upstream.verify_waiting */
#define CONFIG_GATEWAY_ENDPOINTS 16 /* mode gateway: a listener of every worker each */
#define CONFIG_TARGETS 256          /* the longer list of mail servers: backend or protect */

enum config_check { CHECK_OFF, CHECK_EVIDENCE, CHECK_REJECT };

/* TLS to the mail server. */
enum config_tls {
	CONFIG_TLS_NONE,
	CONFIG_TLS_OPPORTUNISTIC,
	CONFIG_TLS_REQUIRED,
	CONFIG_TLS_VERIFIED,
};

struct config_greylist {
	enum policy_mode mode;
	enum policy_match match;
	uint64_t delay_clean, delay, delay_suspicious; /* ms */
	uint32_t jitter;                               /* percent */
	uint64_t window, keep;                         /* ms */
	uint32_t promote_after, promote_net_after;
	uint32_t hammer; /* attempts a minute */
	/* What follows is not a recipient's. */
	uint32_t demote_refused, demote_after; /* percent; of so many at least */
	uint32_t sample;                       /* one in N connections of a learned source */
	uint32_t records;                      /* most records in RAM */
	struct prefix *exempt;                 /* sources that are never greylisted */
	int exempt_count;
};

/*
 * What holds for mail to some recipients: section greylist, domain "NAME" { ... } or mailbox "NAME"
 * { ... }. A key that a section leaves out is taken, when the whole file was read, from the next
 * wider one: a mailbox's domain, ".example.net" that covers all below it, section greylist.
 */
#define CONFIG_LEVEL_KEYS 11
#define CONFIG_LEVELS 10000 /* domains, and mailboxes */
struct config_level {
	char *title;                     /* in canonical form; NULL: section greylist */
	struct config_greylist greylist; /* with what was taken from wider ones */
	struct policy_conf policy;       /* the same; key is left to the caller */
	const struct config_level *from[CONFIG_LEVEL_KEYS]; /* where each key was set; of a key
							     * with its default: section greylist */
	bool whole;                                         /* nothing is left to be taken */
};

struct config {
	char *hostname;
	enum gg_mode mode;
	char **interfaces;
	int interface_count;
	enum fastpath_xdp xdp;
	struct endpoint *listen;
	int listen_count;
	struct endpoint *protect;
	int protect_count;
	struct endpoint *backend;
	int backend_count;
	struct prefix *balancers; /* proxy_protocol_from */
	int balancer_count;
	char *state_dir;
	char *control;
	char *bpffs;
	uint32_t workers; /* 0: one per CPU */
	char *user;
	char *contact;
	bool open_when_down;
	bool reattach;
	enum log_format log;
	uint64_t drain_time; /* ms */

	struct {
		uint64_t first, interval, deny_limit; /* ms */
		uint32_t max_sessions;
	} stutter;
	struct config_greylist greylist;
	struct {
		char **addresses, **hosted;
		int address_count, hosted_count;
		struct addr *low_priority_mx;
		int low_count;
		uint64_t low_pause; /* ms */
		uint32_t harvest;   /* unknown recipients in a row */
		uint32_t sources;   /* whose conduct is remembered */
		uint64_t life, max; /* ms */
		enum gg_action action;
	} trap;
	struct {
		uint64_t life;    /* ms */
		uint32_t domains; /* most in RAM */
		bool observe;     /* on the way out of the interfaces */
	} correspondent;
	struct {
		uint32_t sessions, per_source, recipients, line, commands, errors;
		uint64_t message;                     /* bytes */
		uint64_t state_time, session_time;    /* ms */
		uint32_t unconfirmed;                 /* messages, 0: off */
		uint32_t new_per_source, new_per_cpu; /* new connections a second */
		uint64_t offender_life;               /* ms */
		uint32_t hosts, nets, imports;        /* entries of the kernel's maps */
		uint64_t store;                       /* bytes the store may grow to */
	} limit;
	struct {
		struct relief_conf steps;
		uint64_t first; /* ms */
	} relief;
	struct {
		enum config_check early_talk, pipelining, helo_syntax, helo_name, helo_literal,
			helo_ours, non_smtp, errors, paths;
	} check;
	struct {
		char **certificates, **keys; /* as many of each */
		int certificate_count, key_count;
		uint32_t sessions, reserve; /* reserve: percent */
		int backend;                /* enum config_tls */
		char *backend_ca;           /* NULL: none */
		char **backend_names;       /* none: its address */
		int backend_name_count;
	} tls;
	struct {
		bool xclient;                              /* auto: when offered */
		bool proxy;                                /* v2 */
		uint64_t timeout;                          /* ms */
		uint32_t connections, reserve, per_source; /* reserve: percent */
		bool verify_recipients;
		uint32_t verify_probes, verify_waiting, verify_cache;
		uint64_t verify_keep, verify_keep_unknown, verify_keep_domain; /* ms */
		uint64_t idle;                                                 /* ms */
	} upstream;
	struct {
		struct endpoint *servers; /* none: resolv.conf */
		int server_count;
		uint64_t timeout; /* ms */
		uint32_t cache;   /* answers kept, by all workers together */
	} dns;
	struct config_dnslist *dnslists;
	int dnslist_count;
	struct config_list *lists;
	int list_count;
	struct config_level everyone, *domains, *mailboxes;
	int domain_count, mailbox_count;
	struct config_level **levels; /* domains and mailboxes by the hash of their titles */
	uint32_t level_mask;
};

/* Reads and checks FILE. On failure returns -EINVAL (or -errno of open) and writes every complaint
 * as "FILE:LINE: message" lines to err (at most err_size). */
int config_load(const char *file, struct config **ret, char *err, size_t err_size);
/* The same from text; `name` stands for the file in messages. */
int config_parse(const char *name, const char *text, struct config **ret, char *err,
		 size_t err_size);
/* The same without asking whether a daemon could run with it: for what only borrows settings. file
 * NULL: the defaults. */
int config_load_settings(const char *file, struct config **ret, char *err, size_t err_size);
void config_free(struct config **c);

/* The mail servers that get the mail: backend, in gateway mode what is protected. */
const struct endpoint *config_targets(const struct config *c, int *ret_count);

/* What a list means of those it names, unless an entry says otherwise; GG_UNKNOWN: each entry says
 * for itself. */
enum gg_verdict config_list_verdict(const struct config_list *l);

/* NULL when `to` may replace `from` in a running daemon, else the first key that needs a restart.
 */
const char *config_needs_restart(const struct config *from, const struct config *to);

/* Whether all of a prefix belongs to one load balancer (proxy_protocol_from): nothing of it is ever
 * judged. c NULL: no. */
bool config_balancer(const struct config *c, const struct prefix *p);
/* Whether the very prefix stands in greylist.exempt. c NULL: no. */
bool config_exempt(const struct config *c, const struct prefix *p);

/* What the policy is to know of section greylist; the key is left to the caller. */
struct policy_conf config_policy(const struct config *c);
/* The longest lifetimes of any level, for what does not know whose record it is. s */
uint32_t config_window(const struct config *c);
uint32_t config_keep(const struct config *c);

/* What holds for a recipient as it stands in RCPT; never NULL. Lives as long as the config. Costs a
 * hash of the address, and one of each of its domains while there are levels such as
 * ".example.net"; allocates nothing. */
const struct config_level *config_level(const struct config *c, const char *recipient);
/* "greylist", "domain" or "mailbox". */
const char *config_level_kind(const struct config_level *l);
/* A key of a level by its number: name, and the value as people write it. NULL: no more keys. */
#define CONFIG_VALUE 24
const char *config_level_key(const struct config_level *l, int n, char ret_value[CONFIG_VALUE]);

/* Prints the sample file: every key with its default and its words. */
void config_print_sample(FILE *f);

/* Values as people write them; also for the CLI. 0 or -EINVAL. */
int config_duration(const char *text, uint64_t *ret_ms); /* 500ms 10s 5m 24h 36d, 0 */
int config_size(const char *text, uint64_t *ret_bytes);  /* 64k 10m 2g, plain bytes */
const char *config_mode_text(enum gg_mode m);
/* "allow", "deny", "except"; GG_UNKNOWN for an unknown word. */
enum gg_verdict config_verdict(const char *text);
/* Whether a list may be called so. */
bool config_list_name_ok(const char *text);
/* Printable and ASCII, as what goes to clients in a reply has to be (RFC 5321 4.2). */
bool config_sentence_ok(const char *text);
/* "drop_new" and the like; GG_NO_ACTION for an unknown word. */
enum gg_action config_action(const char *text);
/* user@domain or @domain in the grammar of RCPT, or a pattern of them (policy.h): what can be a
 * greytrap. */
bool config_trap_ok(const char *text);
const char *config_action_text(enum gg_action a);

#endif
