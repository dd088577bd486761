// SPDX-License-Identifier: GPL-2.0-or-later
#include "guard.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/log.h"
#include "handover.h"
#include "starter.h"

#define LOOK_EVERY 2 /* s */
#define PATIENCE 40  /* s: somewhat longer than a mender has */
/* Tries in a row, and s after which there is one more: who takes a program away again and again is
 * not fought without end. */
#define TRIES 10
#define TRY_EVERY 60

static const char *const names[FASTPATH_KINDS] = {
	[FASTPATH_POLICY] = "policy rules and routes",
	[FASTPATH_TC] = "tc program",
	[FASTPATH_XDP] = "XDP program",
	[FASTPATH_TC_OUT] = "tc program on the way out",
	[FASTPATH_LOOKUP] = "socket lookup program",
};

static const char *const words[FASTPATH_STATES] = {
	[FASTPATH_STANDS] = "attached",
	[FASTPATH_GONE] = "gone",
	[FASTPATH_OTHER] = "replaced",
	[FASTPATH_NO_INTERFACE] = "no_interface",
};

const char *guard_name(enum fastpath_kind kind)
{
	return names[kind];
}

const char *guard_word(enum fastpath_state state)
{
	return words[state];
}

void guard_rename(const struct fastpath_part *p, char ret[GUARD_MEND])
{
	snprintf(ret, GUARD_MEND,
		 "name %s in interfaces and restart, or ip link set dev %s name %s", p->renamed,
		 p->renamed, p->interface);
}

void guard_begin(struct guard *g, struct daemon *d, int starter)
{
	*g = (struct guard){.daemon = d, .starter = starter, .channel = -1};
	atomic_store(&d->helpless, starter < 0);
}

/* ---- what is said ---- */

static bool may_mend(const struct guard *g)
{
	const struct config *c = atomic_load(&g->daemon->config);

	return g->starter >= 0 && !atomic_load(&g->daemon->unpinned) && c->reattach;
}

/* What somebody can do about it, where the daemon doesn't. */
static void advise(const struct guard *g, const struct fastpath_part *p, struct log_line *l)
{
	char text[GUARD_MEND];

	if (p->renamed[0])
		guard_rename(p, text);
	else if (g->starter >= 0 && !atomic_load(&g->daemon->unpinned))
		snprintf(text, sizeof(text), "kill -USR2 %d puts it back", (int)getpid());
	else
		snprintf(text, sizeof(text), "systemctl restart greygated puts it back");
	log_str(l, "mend", text);
}

static void tell(struct guard *g, int i, const struct fastpath_part *p)
{
	struct log_line l;

	log_begin(&l, LOG_KERNEL);
	log_str(&l, "program", names[p->kind]);
	if (p->interface[0])
		log_str(&l, "interface", p->interface);
	log_str(&l, "verdict", words[p->state]);
	if (p->why[0])
		log_str(&l, "reason", p->why);
	if (p->renamed[0] || (p->state == FASTPATH_GONE && !may_mend(g)))
		advise(g, p, &l);
	log_end(&l);
	if (p->state == FASTPATH_STANDS)
		daemon_counted(g->daemon, COUNT_kernel_restored);
	else if (g->told[i].state == FASTPATH_STANDS)
		daemon_counted(g->daemon, COUNT_kernel_lost);
	g->failure[0] = '\0';
	g->told[i].state = p->state;
	g->told[i].id = p->seen.id;
	memcpy(g->told[i].why, p->why, sizeof(p->why));
}

/* The mender knows maps by their pins alone. */
static void look_for_pins(struct guard *g)
{
	struct daemon *d = g->daemon;
	const char *map = fastpath_unpinned(d->fastpath), *was = atomic_load(&d->unpinned);
	char pin[FASTPATH_PIN];

	if (map == was)
		return;
	atomic_store(&d->unpinned, map);
	fastpath_pin(d->fastpath, map ? map : was, pin);
	if (map && !*map)
		log_message(LOG_KERNEL,
			    "pins %s are gone" GUARD_UNMOUNTED
			    ": what is taken away is not put back; " GUARD_MOUNT
			    ", then systemctl restart greygated",
			    pin);
	else if (map)
		log_message(LOG_KERNEL,
			    "pin %s is gone: what is taken away is not put back; systemctl "
			    "restart greygated",
			    pin);
	else
		log_message(LOG_KERNEL, "pin %s is there again", pin);
}

/* Why nothing was put back; once, until there is other news. */
static void tell_failure(struct guard *g, const char *why)
{
	if (!strncmp(g->failure, why, sizeof(g->failure) - 1))
		return;
	snprintf(g->failure, sizeof(g->failure), "%s", why);
	log_message(LOG_KERNEL, "nothing could be put back: %s", why);
}

/* Whose a strange program is only the mender knows: where one can be asked, it is asked first. */
static bool is_settled(const struct guard *g, int i, const struct fastpath_part *p)
{
	return p->state != FASTPATH_OTHER || g->asked[i] == p->seen.id || !may_mend(g);
}

static void tell_news(struct guard *g)
{
	struct fastpath_part parts[FASTPATH_PARTS];
	int n = fastpath_parts(g->daemon->fastpath, parts);

	for (int i = 0; i < n; i++)
		if (is_settled(g, i, &parts[i]) &&
		    (parts[i].state != g->told[i].state || strcmp(parts[i].why, g->told[i].why)))
			tell(g, i, &parts[i]);
}

/* ---- the mender ---- */

static bool wants_mender(struct guard *g)
{
	struct fastpath_part parts[FASTPATH_PARTS];
	int n = fastpath_parts(g->daemon->fastpath, parts);

	for (int i = 0; i < n; i++)
		if (parts[i].state == FASTPATH_GONE || !is_settled(g, i, &parts[i]))
			return true;
	return false;
}

static void lose_starter(struct guard *g)
{
	g->starter = -1;
	atomic_store(&g->daemon->helpless, true);
	log_message(LOG_KERNEL,
		    "greygate-start, the process that keeps the rights for it, is gone: "
		    "nothing can be put back, nor upgraded; systemctl restart greygated");
}

static void ask(struct guard *g, uint64_t now)
{
	const uint64_t spent = (TRIES - 1) * (uint64_t)TRY_EVERY;
	int pair[2], fds[2];

	if (g->full > now + spent || !wants_mender(g) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return;
	g->full = (g->full > now ? g->full : now) + TRY_EVERY;
	fds[0] = pair[1];
	fds[1] = fastpath_lock_fd(g->daemon->fastpath);
	if (starter_mend(g->starter, fds)) {
		close(pair[0]);
		lose_starter(g);
	} else {
		g->channel = pair[0];
		g->until = now + PATIENCE;
		g->daemon->mending = true;
	}
	close(pair[1]);
}

/* The mender met one that went after the last look. */
static void tell_missed(struct guard *g, const struct fastpath_part *restored)
{
	struct fastpath_part parts[FASTPATH_PARTS], lost = *restored;
	int n = fastpath_parts(g->daemon->fastpath, parts);

	lost.state = FASTPATH_GONE;
	snprintf(lost.why, sizeof(lost.why), "taken away by somebody");
	for (int i = 0; i < n; i++)
		if (parts[i].kind == lost.kind && !strcmp(parts[i].interface, lost.interface) &&
		    g->told[i].state == FASTPATH_STANDS)
			tell(g, i, &lost);
}

static void take(struct guard *g, const struct handover_message *m)
{
	struct fastpath_part p;

	if (m->length != sizeof(p))
		return;
	memcpy(&p, m->data, sizeof(p));
	if (p.restored)
		tell_missed(g, &p);
	fastpath_mended(g->daemon->fastpath, &p, m->fd_count ? m->fds[0] : -1);
}

static void note_asked(struct guard *g)
{
	struct fastpath_part parts[FASTPATH_PARTS];
	int n = fastpath_parts(g->daemon->fastpath, parts);

	for (int i = 0; i < n; i++)
		g->asked[i] = parts[i].state == FASTPATH_OTHER ? parts[i].seen.id : 0;
}

/* The last word of a mender, or that there was none. */
static void take_end(struct guard *g, int rc, struct handover_message *m)
{
	if (rc) {
		tell_failure(g, "the process that was to do it has ended");
	} else if (m->kind == HANDOVER_FAILED) {
		m->data[m->length < HANDOVER_TEXT ? m->length : HANDOVER_TEXT - 1] = '\0';
		tell_failure(g, m->data);
	}
}

void guard_hear(struct guard *g, uint64_t now)
{
	static struct handover_message m; /* main thread only */
	struct pollfd p = {.fd = g->channel, .events = POLLIN};
	bool over = false;

	while (!over && poll(&p, 1, 0) > 0) {
		const int rc = handover_receive(g->channel, &m);

		over = rc || m.kind != HANDOVER_PART;
		if (over)
			take_end(g, rc, &m);
		else
			take(g, &m);
	}
	if (g->channel < 0 || (!over && now < g->until))
		return;
	if (!over)
		tell_failure(g, "the process that was to do it takes too long");
	guard_end(g);
	note_asked(g);
	tell_news(g);
}

void guard_end(struct guard *g)
{
	if (g->channel >= 0)
		close(g->channel);
	g->channel = -1;
	if (g->daemon)
		g->daemon->mending = false;
}

void guard_step(struct guard *g, uint64_t now)
{
	struct daemon *d = g->daemon;

	/* Who stops the daemon may have stopped both. */
	if (g->starter >= 0 && !atomic_load(&d->draining) && starter_gone(g->starter))
		lose_starter(g);
	/* A successor puts all of it back by itself. */
	g->lent = g->lent || d->lent;
	if (!d->fastpath || d->lent)
		return;
	/* It did not come: what could not be put back after it is news. */
	if (g->lent) {
		g->lent = false;
		note_asked(g);
		tell_news(g);
	}
	guard_hear(g, now);
	if (g->channel >= 0 || ++g->ticks % LOOK_EVERY)
		return;
	look_for_pins(g);
	if (fastpath_look(d->fastpath))
		tell_news(g);
	if (may_mend(g))
		ask(g, now);
}
