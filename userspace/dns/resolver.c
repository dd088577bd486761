// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * c-ares makes and sends the messages, goes on to the next server, and over TCP when an answer was
 * cut. It can't call off a single question, so each lives until c-ares is through with it; its
 * timeouts are set so that this is conf.timeout. It may call back from within ares_query: such a
 * question is answered at once.
 */
#include "resolver.h"

#include <ares.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../core/hash.h"
#include "cache.h"
#include "name.h"

#define WATCHES 64
#define BUCKETS 4096 /* power of two */
#define TRIES 2
#define TRY_MIN 100 /* ms */
#define UDP_SIZE 1232
#define CLASS_IN 1
#define DEAD_AFTER 8 /* questions in a row that got no answer */
#define PROBE 100    /* ms between two questions while no server answers */
#define NONE UINT32_MAX

/* How long answers are kept, s: what servers say, within limits. A failure is kept for a moment, so
 * that a broken domain is not asked by every recipient of a message. */
#define TTL_MIN 60
#define TTL_MAX 3600
#define TTL_NONE_MAX 900
#define TTL_FAILED 10

struct waiter {
	uint32_t next;
	struct dns_asker who;
};

struct question {
	struct resolver *resolver;
	uint64_t tag, asked; /* ms */
	uint32_t next;       /* in its bucket, or in the free list */
	uint32_t waiters;
	uint16_t type;
	bool asking, ended; /* inside ares_query; and it has called back already */
	uint8_t status;
	char name[DNS_NAME];
};

struct watch {
	int fd; /* -1: free */
	unsigned events;
	uint16_t generation;
	bool armed;
};

struct resolver {
	ares_channel channel;
	struct resolver_hooks hooks;
	struct cache *cache;
	uint8_t key[HASH_KEY];
	uint64_t now, ticked, sent; /* ms; sent: the last new question */
	struct resolver_stats stats;
	uint32_t usual, in_flight, silent;
	bool ending;
	uint32_t buckets[BUCKETS];
	uint32_t free_question, free_waiter;
	struct question questions[RESOLVER_QUESTIONS];
	struct waiter waiters[RESOLVER_WAITERS];
	struct watch watches[WATCHES];
	struct dns_answer fresh; /* from a server, for hooks.done */
	struct dns_answer given; /* from the cache, for who asks */
};

/* ---- descriptors ---- */

static struct watch *watch_of(struct resolver *r, int fd)
{
	struct watch *room = NULL;

	for (int i = 0; i < WATCHES; i++) {
		if (r->watches[i].fd == fd)
			return &r->watches[i];
		if (r->watches[i].fd < 0 && !room)
			room = &r->watches[i];
	}
	return room;
}

static void arm(struct resolver *r, struct watch *w)
{
	w->armed = true;
	r->hooks.poll(r->hooks.arg, w->fd, w->events, (uint32_t)(w - r->watches), w->generation);
}

static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolver *r = arg;
	struct watch *w = watch_of(r, fd);
	unsigned events = (readable ? POLLIN : 0u) | (writable ? POLLOUT : 0u);

	/* Without room the descriptor is not watched: its questions end by their timeout. */
	if (!w || (w->fd < 0 && !events) || (w->fd == fd && w->events == events))
		return;
	if (w->armed && !r->ending) {
		r->hooks.cancel(r->hooks.arg, (uint32_t)(w - r->watches), w->generation);
		w->armed = false;
	}
	w->generation++;
	w->fd = events ? fd : -1;
	w->events = events;
	if (events && !r->ending)
		arm(r, w);
}

void resolver_ready(struct resolver *r, uint32_t slot, uint16_t generation, unsigned events,
		    uint64_t now)
{
	struct watch *w = &r->watches[slot];
	ares_socket_t in, out;

	if (slot >= WATCHES || w->fd < 0 || w->generation != generation)
		return;
	r->now = now;
	w->armed = false;
	in = events & ~(unsigned)POLLOUT ? w->fd : ARES_SOCKET_BAD;
	out = events & POLLOUT ? w->fd : ARES_SOCKET_BAD;
	ares_process_fd(r->channel, in, out);
	if (w->fd >= 0 && w->generation == generation && !w->armed)
		arm(r, w);
}

/* ---- questions ---- */

static uint32_t *bucket_of(struct resolver *r, uint64_t tag)
{
	return &r->buckets[tag & (BUCKETS - 1)];
}

static void question_end(struct resolver *r, struct question *q)
{
	uint32_t number = (uint32_t)(q - r->questions), *at = bucket_of(r, q->tag);

	while (*at != number)
		at = &r->questions[*at].next;
	*at = q->next;
	q->next = r->free_question;
	r->free_question = number;
	r->in_flight--;
}

static bool join(struct resolver *r, struct question *q, struct dns_asker who)
{
	uint32_t n = r->free_waiter;

	if (n == NONE)
		return false;
	r->free_waiter = r->waiters[n].next;
	r->waiters[n] = (struct waiter){q->waiters, who};
	q->waiters = n;
	return true;
}

static void fail_answer(struct dns_answer *a, enum dns_status status)
{
	a->status = (uint8_t)status;
	a->count = 0;
	a->len = a->ttl = 0;
}

static uint32_t clamp(uint32_t v, uint32_t low, uint32_t high)
{
	return v < low ? low : v > high ? high : v;
}

static void keep(struct resolver *r, const struct question *q, const struct dns_answer *a)
{
	uint32_t ttl = a->status == DNS_FOUND  ? clamp(a->ttl, TTL_MIN, TTL_MAX)
		       : a->status == DNS_NONE ? clamp(a->ttl, TTL_MIN, TTL_NONE_MAX)
					       : TTL_FAILED;

	cache_put(r->cache, q->name, (enum dns_type)q->type, a, ttl, r->now);
}

static void count(struct resolver *r, const struct question *q, enum dns_status status, bool silent)
{
	uint32_t took = (uint32_t)(r->now - q->asked);

	if (status == DNS_TIMEOUT)
		r->stats.timeouts++;
	else if (status == DNS_FAILED)
		r->stats.failed++;
	if (silent) {
		r->silent++;
		return;
	}
	r->silent = 0;
	r->usual = (r->usual * 7 + took) / 8;
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *message, int len)
{
	struct question *q = arg;
	struct resolver *r = q->resolver;
	uint32_t n, next;

	(void)timeouts;
	if (r->ending)
		return;
	if (message && len > 0 &&
	    (status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND)) {
		if (dns_parse(message, (size_t)len, q->name, (enum dns_type)q->type, &r->fresh))
			fail_answer(&r->fresh, DNS_FAILED);
	} else {
		fail_answer(&r->fresh, status == ARES_ETIMEOUT ? DNS_TIMEOUT : DNS_FAILED);
	}
	count(r, q, (enum dns_status)r->fresh.status,
	      status == ARES_ETIMEOUT || status == ARES_ECONNREFUSED);
	keep(r, q, &r->fresh);
	q->ended = true;
	q->status = r->fresh.status;
	if (q->asking)
		return;
	n = q->waiters;
	question_end(r, q);
	for (; n != NONE; n = next) {
		struct dns_asker who = r->waiters[n].who;

		next = r->waiters[n].next;
		r->waiters[n].next = r->free_waiter;
		r->free_waiter = n;
		r->hooks.done(r->hooks.arg, who, &r->fresh);
	}
}

static struct question *in_flight(struct resolver *r, uint64_t tag, const char *name,
				  enum dns_type type)
{
	for (uint32_t n = *bucket_of(r, tag); n != NONE; n = r->questions[n].next) {
		struct question *q = &r->questions[n];

		if (q->tag == tag && q->type == type && !strcmp(q->name, name))
			return q;
	}
	return NULL;
}

/* c-ares reads a backslash as the beginning of an escape. */
static void escape(const char *name, char ret[2 * DNS_NAME])
{
	for (; *name; *ret++ = *name++) {
		if (*name == '\\')
			*ret++ = '\\';
	}
	*ret = 0;
}

static struct question *question_new(struct resolver *r, uint64_t tag, const char *name,
				     enum dns_type type)
{
	uint32_t number = r->free_question, *bucket = bucket_of(r, tag);
	struct question *q;

	/* While no server answers, what would wait in vain is not even sent. */
	if (number == NONE || (resolver_dead(r) && r->now - r->sent < PROBE))
		return NULL;
	r->sent = r->now;
	q = &r->questions[number];
	r->free_question = q->next;
	q->tag = tag;
	q->asked = r->now;
	q->next = *bucket;
	*bucket = number;
	q->waiters = NONE;
	q->type = (uint16_t)type;
	q->asking = q->ended = false;
	memcpy(q->name, name, strlen(name) + 1);
	r->in_flight++;
	return q;
}

static const struct dns_answer *failed(struct resolver *r, enum dns_status status)
{
	fail_answer(&r->given, status);
	return &r->given;
}

const struct dns_answer *resolver_ask(struct resolver *r, const char *name, enum dns_type type,
				      struct dns_asker who, uint64_t now)
{
	char folded[DNS_NAME], escaped[2 * DNS_NAME];
	const uint8_t t = (uint8_t)type;
	struct hash_piece pieces[2] = {{folded, 0}, {&t, 1}};
	struct question *q;
	uint64_t tag;
	size_t n;

	r->now = now;
	if (!name_askable(name))
		return failed(r, DNS_FAILED);
	for (n = 0; name[n]; n++)
		folded[n] =
			(char)(name[n] >= 'A' && name[n] <= 'Z' ? name[n] + ('a' - 'A') : name[n]);
	folded[n] = 0;
	pieces[0].len = n;
	if (cache_get(r->cache, folded, type, now, &r->given)) {
		r->stats.kept++;
		return &r->given;
	}
	tag = hash_pieces(r->key, pieces, 2);
	q = in_flight(r, tag, folded, type);
	if (q && !q->asking) {
		r->stats.joined++;
		return join(r, q, who) ? NULL : failed(r, DNS_FAILED);
	}
	q = question_new(r, tag, folded, type);
	if (!q || !join(r, q, who)) {
		if (q)
			question_end(r, q);
		r->stats.unasked++;
		return failed(r, DNS_FAILED);
	}
	r->stats.asked++;
	escape(folded, escaped);
	q->asking = true;
	ares_query(r->channel, escaped, CLASS_IN, type, on_answer, q);
	q->asking = false;
	if (!q->ended)
		return NULL;
	r->waiters[q->waiters].next = r->free_waiter;
	r->free_waiter = q->waiters;
	question_end(r, q);
	return failed(r, (enum dns_status)q->status);
}

/* ---- time ---- */

void resolver_tick(struct resolver *r, uint64_t now)
{
	if (!r->in_flight || now - r->ticked < RESOLVER_TICK)
		return;
	r->now = r->ticked = now;
	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

uint64_t resolver_wait(const struct resolver *r, uint64_t now, uint64_t limit)
{
	uint64_t left = now - r->ticked < RESOLVER_TICK ? RESOLVER_TICK - (now - r->ticked) : 0;

	return r->in_flight && left < limit ? left : limit;
}

const struct resolver_stats *resolver_stats(const struct resolver *r)
{
	return &r->stats;
}

uint32_t resolver_usual(const struct resolver *r)
{
	return r->usual;
}

bool resolver_dead(const struct resolver *r)
{
	return r->silent >= DEAD_AFTER;
}

/* ---- beginning and end ---- */

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void library(void)
{
	ares_library_init(ARES_LIB_INIT_ALL);
}

static int set_servers(struct resolver *r, const struct resolver_conf *conf)
{
	struct ares_addr_port_node nodes[RESOLVER_SERVERS];

	memset(nodes, 0, sizeof(nodes));
	for (int i = 0; i < conf->server_count; i++) {
		const struct endpoint *e = &conf->servers[i];
		struct ares_addr_port_node *node = &nodes[i];

		node->next = i + 1 < conf->server_count ? node + 1 : NULL;
		node->family = addr_is4(&e->addr) ? AF_INET : AF_INET6;
		node->udp_port = node->tcp_port = e->port;
		if (node->family == AF_INET)
			memcpy(&node->addr.addr4, e->addr.b + 12, 4);
		else
			memcpy(&node->addr.addr6, e->addr.b, 16);
	}
	return ares_set_servers_ports(r->channel, nodes);
}

static int channel_new(struct resolver *r, const struct resolver_conf *conf)
{
	struct ares_options o = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS,
		.tries = TRIES,
		.ednspsz = UDP_SIZE,
		.sock_state_cb = on_socket,
		.sock_state_cb_data = r,
	};
	const int mask = ARES_OPT_FLAGS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS |
			 ARES_OPT_SOCK_STATE_CB;
	struct ares_addr_node *list = NULL;
	int servers = conf->server_count, rc;

	/* c-ares waits a try for each server, and twice that in the second round. How many servers
	 * resolv.conf has is known only afterwards. */
	for (int round = 0;; round++) {
		o.timeout = (int)(conf->timeout / (3 * (uint64_t)(servers ? servers : 1)));
		if (o.timeout < TRY_MIN)
			o.timeout = TRY_MIN;
		rc = ares_init_options(&r->channel, &o, mask);
		if (rc || servers || round)
			break;
		if (ares_get_servers(r->channel, &list) == ARES_SUCCESS)
			for (struct ares_addr_node *n = list; n; n = n->next)
				servers++;
		if (list)
			ares_free_data(list);
		if (servers < 2)
			break;
		ares_destroy(r->channel);
		r->channel = NULL;
	}
	if (!rc && conf->server_count)
		rc = set_servers(r, conf);
	return rc;
}

int resolver_new(const struct resolver_conf *conf, struct resolver **ret, char *err,
		 size_t err_size)
{
	struct resolver *r;
	int rc;

	if (conf->server_count > RESOLVER_SERVERS)
		return -EINVAL;
	pthread_once(&once, library);
	r = calloc(1, sizeof(*r));
	if (!r || cache_new(conf->cache, conf->key, &r->cache)) {
		free(r);
		snprintf(err, err_size, "%s; lower dns.cache", strerror(ENOMEM));
		return -ENOMEM;
	}
	r->hooks = conf->hooks;
	memcpy(r->key, conf->key, sizeof(r->key));
	r->usual = 100;
	for (int i = 0; i < WATCHES; i++)
		r->watches[i].fd = -1;
	memset(r->buckets, 0xff, sizeof(r->buckets));
	for (uint32_t i = 0; i < RESOLVER_QUESTIONS; i++) {
		r->questions[i].resolver = r;
		r->questions[i].next = i + 1 < RESOLVER_QUESTIONS ? i + 1 : NONE;
	}
	for (uint32_t i = 0; i < RESOLVER_WAITERS; i++)
		r->waiters[i].next = i + 1 < RESOLVER_WAITERS ? i + 1 : NONE;
	rc = channel_new(r, conf);
	if (rc) {
		snprintf(err, err_size, "%s; name servers in dns.servers or mend /etc/resolv.conf",
			 ares_strerror(rc));
		resolver_free(&r);
		return -EINVAL;
	}
	*ret = r;
	return 0;
}

void resolver_free(struct resolver **r)
{
	if (!*r)
		return;
	(*r)->ending = true;
	if ((*r)->channel)
		ares_destroy((*r)->channel);
	cache_free(&(*r)->cache);
	free(*r);
	*r = NULL;
}
