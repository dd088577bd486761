// SPDX-License-Identifier: GPL-2.0-or-later
#include "retreat.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "handover.h"
#include "starter.h"

#define PATIENCE 70 /* s: somewhat longer than a mender has */

static uint64_t now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec;
}

static void complain(const struct retreat *r, const char *why)
{
	log_message(LOG_ERROR, "%s: %s; restart greygated",
		    r->kernel ? "the new program may have left its programs in the kernel"
			      : "the new program may still be there",
		    why);
}

bool retreat_begin(struct retreat *r, struct daemon *d, int starter)
{
	int fds[STARTER_RETREAT], pair[2], rc;

	*r = (struct retreat){.daemon = d, .channel = -1, .kernel = d->lent && d->fastpath};
	if (starter < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		complain(r, "nobody can be asked to see to that");
		return false;
	}
	fds[0] = pair[1];
	if (r->kernel) {
		fds[1] = fastpath_lock_fd(d->fastpath);
		fastpath_held(d->fastpath, fds + 2);
	}
	rc = starter_retreat(starter, fds, r->kernel ? STARTER_RETREAT : 1);
	close(pair[1]);
	if (rc) {
		close(pair[0]);
		complain(r, "the process that could see to that is gone");
		return false;
	}
	r->channel = pair[0];
	r->until = now_s() + PATIENCE;
	return true;
}

static void tell_ended(const struct handover_message *m)
{
	struct handover_ended e;
	struct log_line l;
	char reason[120];

	if (m->length != sizeof(e))
		return;
	memcpy(&e, m->data, sizeof(e));
	if (e.code)
		snprintf(reason, sizeof(reason), "it hangs, and can't be ended: %s; kill -9 %d",
			 strerror(-e.code), (int)e.pid);
	else
		snprintf(reason, sizeof(reason), "it did not end by itself: %s",
			 e.signal == SIGKILL ? "SIGKILL" : "SIGTERM");
	log_begin(&l, LOG_UPGRADE);
	log_str(&l, "verdict", "ended");
	log_str(&l, "reason", reason);
	log_int(&l, "pid", e.pid);
	log_end(&l);
}

static void take_part(const struct retreat *r, struct handover_message *m)
{
	struct fastpath_part p;

	if (!r->kernel || m->length != sizeof(p))
		return;
	memcpy(&p, m->data, sizeof(p));
	fastpath_mended(r->daemon->fastpath, &p, m->fd_count ? m->fds[0] : -1);
	m->fd_count = 0; /* it is the fast path's */
}

/* True: it was the last word. */
static bool take(struct retreat *r, struct handover_message *m)
{
	switch (m->kind) {
	case HANDOVER_ENDED:
		tell_ended(m);
		return false;
	case HANDOVER_PART:
		take_part(r, m);
		return false;
	case HANDOVER_FAILED:
		m->data[m->length < HANDOVER_TEXT ? m->length : HANDOVER_TEXT - 1] = '\0';
		complain(r, m->data);
		return true;
	default:
		if (r->kernel && m->fd_count)
			fastpath_restored(r->daemon->fastpath, m->fds[0]);
		return true;
	}
}

bool retreat_step(struct retreat *r)
{
	static struct handover_message m; /* main thread only */
	struct pollfd p = {.fd = r->channel, .events = POLLIN};
	bool over = false;

	while (!over && poll(&p, 1, 0) > 0) {
		over = handover_receive(r->channel, &m) != 0;
		if (over) {
			complain(r, "the process that was to see to that has ended");
			break;
		}
		over = take(r, &m);
		handover_close(&m);
	}
	if (!over && now_s() < r->until)
		return false;
	if (!over)
		complain(r, "the process that was to see to that takes too long");
	close(r->channel);
	r->channel = -1;
	return true;
}
