// SPDX-License-Identifier: GPL-2.0-or-later
#include "upgrade.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "handover.h"
#include "lacking.h"
#include "starter.h"
#include "worker.h"

#define PATIENCE 60000  /* ms: a large store takes some seconds to load */
#define HEIR_PATIENCE 5 /* s for a group of items */
/* ms for lists and settings that are being loaded: the successor waits somewhat longer for us. */
#define LOAD_PATIENCE 20000

/* The store of the successor, as the writer of this process sees it. */
struct heir {
	const struct store_ops *ops;
	int channel;
	bool lost;
	struct handover_message answer;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void say(const struct upgrade *u, const char *verdict, const char *reason)
{
	struct log_line l;

	log_begin(&l, LOG_UPGRADE);
	log_str(&l, "verdict", verdict);
	if (reason)
		log_str(&l, "reason", reason);
	if (u->successor)
		log_int(&l, "pid", u->successor);
	log_end(&l);
}

/* ---- the successor's store ---- */

static int send_items(struct heir *h, const struct store_item *const *items, size_t n)
{
	struct store_item part[HANDOVER_ITEMS_MAX];
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i += HANDOVER_ITEMS_MAX) {
		size_t k = 0;

		for (; k < HANDOVER_ITEMS_MAX && i + k < n; k++)
			part[k] = *items[i + k];
		rc = handover_send(h->channel, HANDOVER_ITEMS, part, k * sizeof(*part), NULL, 0);
	}
	return rc ? rc : handover_send(h->channel, HANDOVER_COMMIT, NULL, 0, NULL, 0);
}

static int heir_apply(struct store *s, const struct store_item *const *items, size_t n)
{
	struct heir *h = (struct heir *)s;
	int32_t result;
	int rc = h->lost ? -EPIPE : send_items(h, items, n);

	if (!rc)
		rc = handover_receive(h->channel, &h->answer);
	if (!rc && (h->answer.kind != HANDOVER_DONE || h->answer.length != sizeof(result)))
		rc = -EPROTO;
	/* An answer that comes after all would be taken for that to another group. */
	h->lost = h->lost || rc;
	if (rc)
		return rc;
	memcpy(&result, h->answer.data, sizeof(result));
	return result;
}

static int heir_expire(struct store *s, uint32_t now, size_t max, size_t *ret_steps)
{
	(void)s, (void)now, (void)max;
	*ret_steps = 0;
	return 0;
}

static int heir_stats(struct store *s, struct store_stats *ret)
{
	(void)s, (void)ret;
	return -ENOTSUP;
}

/* What else a store can do is asked of the one that was here. */
static const struct store_ops heir_ops = {
	.name = "successor", .apply = heir_apply, .expire = heir_expire, .stats = heir_stats};

/* ---- lend and take back ---- */

/* The successor reads the lists that were kept last and fills the same maps: of an import or a
 * reload it gets all or nothing, and it attaches its programs alone. False: one is under way. */
static bool lend(struct daemon *d)
{
	bool still;

	if (d->mending || pthread_mutex_trylock(&d->config_lock))
		return false;
	still = !listing_lend(&d->lists);
	if (still) {
		if (d->writer)
			store_writer_pause(d->writer);
		pthread_mutex_lock(&d->verdict_lock);
		d->lent = true;
		pthread_mutex_unlock(&d->verdict_lock);
	}
	pthread_mutex_unlock(&d->config_lock);
	return still;
}

static int fill_kernel(struct daemon *d)
{
	int rc = lacking_sync(d);

	lacking_make_whole(d);
	/* The lists may be as long again. */
	fastpath_heartbeat(d->fastpath);
	return rc < 0 ? rc : listing_again(&d->lists);
}

static void take_back(struct daemon *d)
{
	int rc;

	/* The successor may have got as far as the kernel: its hot index is not this one's to
	 * change. */
	if (d->fastpath)
		fastpath_again(d->fastpath);
	pthread_mutex_lock(&d->config_lock);
	pthread_mutex_lock(&d->verdict_lock);
	d->lent = false;
	pthread_mutex_unlock(&d->verdict_lock);
	if (d->writer)
		store_writer_resume(d->writer, d->store);
	/* Imports are still refused, and a reload waits: not we for its lists. */
	rc = d->fastpath ? fill_kernel(d) : 0;
	pthread_mutex_unlock(&d->config_lock);
	if (rc < 0)
		log_message(LOG_ERROR, "kernel maps: %s; restart greygated", strerror(-rc));
}

/* ---- the attempt ---- */

static void go_on(struct upgrade *u)
{
	struct daemon *d = u->daemon;

	if (d->lent)
		take_back(d);
	listing_take_back(&d->lists);
	daemon_counted(d, COUNT_upgrades_refused);
	say(u, "refused", u->why);
	u->successor = 0;
}

static void quit(struct upgrade *u, const char *why)
{
	/* Who hears nothing takes the end of the channel for a GO. */
	handover_fail(u->channel, why);
	close(u->channel);
	u->channel = -1;
	u->met = false;
	snprintf(u->why, sizeof(u->why), "%s", why);
}

static void give_up(struct upgrade *u, const char *why)
{
	quit(u, why);
	if (!retreat_begin(&u->retreat, u->daemon, u->starter))
		go_on(u);
}

void upgrade_begin(struct upgrade *u)
{
	const struct timeval patience = {.tv_sec = HEIR_PATIENCE};
	int pair[2], rc;

	if (u->channel >= 0 || u->retreat.channel >= 0) {
		say(u, "refused", "an upgrade is under way");
		return;
	}
	u->successor = 0;
	if (u->starter < 0) {
		say(u, "refused", "the process that could start another one is gone; restart");
		return;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		say(u, "refused", strerror(errno));
		return;
	}
	setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	rc = starter_ask(u->starter, pair[1]);
	close(pair[1]);
	u->channel = pair[0];
	u->until = now_ms() + PATIENCE;
	if (!rc) {
		say(u, "begun", NULL);
		return;
	}
	quit(u, "the process that could start another one is gone; restart");
	go_on(u);
}

static bool protects(const struct handover_hello *h, const struct endpoint *e)
{
	for (int i = 0; i < h->protect_count && i < CONFIG_GATEWAY_ENDPOINTS; i++)
		if (endpoint_eq(&h->protect[i], e))
			return true;
	return false;
}

static bool has_interface(const struct handover_hello *h, const char *name)
{
	for (int i = 0; i < h->interface_count && i < FASTPATH_INTERFACES; i++)
		if (!strncmp(h->interfaces[i], name, IF_NAMESIZE))
			return true;
	return false;
}

/* Gateway mode: packets of the sessions through it would be forwarded. With an interface that is
 * gone they have ended. */
static const char *let_pass(const struct config *c, const struct handover_hello *h)
{
	for (int i = 0; c->mode == GG_MODE_GATEWAY && i < c->interface_count; i++)
		if (!has_interface(h, c->interfaces[i]) && if_nametoindex(c->interfaces[i]))
			return c->interfaces[i];
	return NULL;
}

/* Gateway mode: what is protected no longer. Packets of the sessions there would be forwarded. */
static const struct endpoint *let_go(const struct config *c, const struct handover_hello *h)
{
	for (int i = 0; c->mode == GG_MODE_GATEWAY && i < c->protect_count; i++)
		if (!protects(h, &c->protect[i]))
			return &c->protect[i];
	return NULL;
}

/* Why this successor can't take over from us; false: it can. */
static bool is_unfit(const struct daemon *d, const struct handover_hello *h, char *why, size_t size)
{
	const struct config *c = atomic_load(&d->config);
	const struct {
		const char *key;
		bool changed;
	} fixed[] = {
		{"mode", h->mode != (int32_t)c->mode},
		{"workers", h->workers != d->worker_count},
		{"state_dir", strcmp(h->state_dir, c->state_dir) != 0},
		{"bpffs", strcmp(h->bpffs, c->bpffs) != 0},
		{"control", strcmp(h->control, c->control) != 0},
	};
	const struct endpoint *gone;
	const char *left;
	char text[ENDPOINT_TEXT];

	if (h->protocol != HANDOVER_PROTOCOL || h->item_size != sizeof(struct store_item)) {
		snprintf(why, size,
			 "version %.31s takes nothing over from " GREYGATE_VERSION
			 "; restart greygated for it",
			 h->version);
		return true;
	}
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (fixed[i].changed) {
			snprintf(why, size,
				 "%s can't be changed by an upgrade; restart greygated for that",
				 fixed[i].key);
			return true;
		}
	gone = let_go(c, h);
	left = let_pass(c, h);
	if (gone || left)
		snprintf(why, size,
			 "%s: %s can't be taken out by an upgrade, which would break the "
			 "sessions there; restart greygated for that",
			 gone ? "protect" : "interfaces", gone ? endpoint_text(gone, text) : left);
	return gone || left;
}

static int give_all(struct upgrade *u)
{
	struct daemon *d = u->daemon;
	struct handover_rest rest = {.has_control = true,
				     .has_store = d->store != NULL,
				     .has_pins = d->fastpath != NULL};
	int fds[WORKER_LISTENERS], n, rc = 0;

	for (int i = 0; i < d->worker_count && !rc; i++) {
		n = worker_listeners(d->workers[i], fds);
		rc = handover_send(u->channel, HANDOVER_WORKER, NULL, 0, fds, n);
	}
	n = 0;
	fds[n++] = control_listener(u->control);
	if (rest.has_store)
		fds[n++] = store_lock_fd(d->store);
	if (rest.has_pins)
		fds[n++] = fastpath_lock_fd(d->fastpath);
	return rc ? rc : handover_send(u->channel, HANDOVER_REST, &rest, sizeof(rest), fds, n);
}

/* The successor reads imported lists where they are kept: of one that isn't there it would know
 * nothing. */
static bool would_lose(struct listing *l, char *why, size_t size)
{
	char unkept[LIST_ERROR];
	bool lost = false;

	pthread_mutex_lock(&l->lock);
	for (int i = 0; i < LISTING_MAX && !lost; i++) {
		lost = l->lists[i].name[0] && listing_unkept(l, &l->lists[i], unkept);
		if (lost)
			snprintf(why, size, "list %s would be lost: %s", l->lists[i].name, unkept);
	}
	pthread_mutex_unlock(&l->lock);
	return lost;
}

static void give_when_still(struct upgrade *u)
{
	static const char busy[] =
		"lists or kernel programs are still being loaded; upgrade again when "
		"that is done";
	char why[2 * LIST_ERROR];
	int rc;

	if (lend(u->daemon)) {
		/* Only now: of an import under way nothing is on the disk yet. */
		if (would_lose(&u->daemon->lists, why, sizeof(why))) {
			give_up(u, why);
			return;
		}
		rc = give_all(u);
		if (rc)
			give_up(u, strerror(-rc));
	} else if (!u->still) {
		u->still = now_ms() + LOAD_PATIENCE;
		say(u, "waits", "lists or kernel programs are being loaded");
	} else if (now_ms() >= u->still) {
		give_up(u, busy);
	}
}

static void meet(struct upgrade *u, const struct handover_message *m)
{
	struct handover_hello h;
	char why[200];

	if (m->length != sizeof(h)) {
		give_up(u, "the new version speaks another language; restart greygated for it");
		return;
	}
	memcpy(&h, m->data, sizeof(h));
	h.version[sizeof(h.version) - 1] = h.state_dir[PATH_MAX - 1] = '\0';
	h.bpffs[PATH_MAX - 1] = h.control[PATH_MAX - 1] = '\0';
	u->successor = h.pid;
	if (is_unfit(u->daemon, &h, why, sizeof(why))) {
		give_up(u, why);
		return;
	}
	u->met = true;
	u->still = 0;
	give_when_still(u);
}

static bool part(struct upgrade *u)
{
	struct heir *h = calloc(1, sizeof(*h));
	int rc = h ? handover_send(u->channel, HANDOVER_GO, NULL, 0, NULL, 0) : -ENOMEM;

	if (rc) {
		free(h);
		give_up(u, strerror(-rc));
		return false;
	}
	h->ops = &heir_ops;
	h->channel = u->channel;
	u->heir = h;
	if (u->daemon->writer)
		store_writer_resume(u->daemon->writer, (struct store *)h);
	/* Should the successor end before our sessions do, the next start must not wait for them.
	 */
	if (u->daemon->store)
		store_lock_leave(u->daemon->store);
	if (u->daemon->fastpath)
		fastpath_lock_leave(u->daemon->fastpath);
	say(u, "done", NULL);
	return true;
}

bool upgrade_step(struct upgrade *u)
{
	struct pollfd p = {.fd = u->channel, .events = POLLIN};
	static struct handover_message m; /* main thread only */
	bool parted = false;
	int rc;

	if (u->retreat.channel >= 0 && retreat_step(&u->retreat))
		go_on(u);
	if (u->met && !u->daemon->lent)
		give_when_still(u);
	if (u->channel < 0)
		return false;
	if (poll(&p, 1, 0) <= 0) {
		if (now_ms() < u->until)
			return false;
		give_up(u, "the new program did not get ready within a minute");
		return false;
	}
	rc = handover_receive(u->channel, &m);
	if (rc) {
		give_up(u, "the new program ended before it was ready; what it said stands before "
			   "this line");
		return false;
	}
	if (m.kind == HANDOVER_HELLO && !u->met) {
		meet(u, &m);
	} else if (m.kind == HANDOVER_READY && u->daemon->lent) {
		parted = part(u);
	} else {
		m.data[m.length < HANDOVER_TEXT ? m.length : HANDOVER_TEXT - 1] = '\0';
		give_up(u, m.kind == HANDOVER_FAILED ? m.data
						     : "the new program speaks another language");
	}
	handover_close(&m);
	return parted;
}

void upgrade_cancel(struct upgrade *u)
{
	if (u->heir)
		return;
	if (u->channel >= 0)
		give_up(u, "the daemon is being stopped");
	while (u->retreat.channel >= 0) {
		struct pollfd p = {.fd = u->retreat.channel, .events = POLLIN};

		poll(&p, 1, 1000);
		if (retreat_step(&u->retreat))
			go_on(u);
	}
}

void upgrade_tell(struct upgrade *u, uint32_t sessions)
{
	handover_send(u->channel, HANDOVER_SESSIONS, &sessions, sizeof(sessions), NULL, 0);
}

void upgrade_end(struct upgrade *u)
{
	if (u->starter >= 0)
		close(u->starter);
	if (u->channel >= 0)
		close(u->channel);
	u->starter = u->channel = -1;
	free(u->heir);
	u->heir = NULL;
}
