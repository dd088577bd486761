// SPDX-License-Identifier: GPL-2.0-or-later
#include "reloader.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "notify.h"

#define TELL_EVERY 5 /* s; greygate(1) gives up after a minute without a word */

/* Somebody who waits; in place until `done`. */
struct asker {
	struct asker *next;
	char *err;
	size_t err_size;
	bool done;
	int rc;
};

static struct {
	struct daemon *daemon;
	pthread_t thread;
	pthread_mutex_t lock;   /* for all below */
	pthread_cond_t changed; /* any of it */
	bool runs, ending;
	bool signalled;       /* SIGHUP came */
	struct asker *askers; /* of the next reload */
} reloader = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Under the lock. */
static void answer(struct asker *a, int rc, const char *err)
{
	struct asker *next;

	/* Who is done may be gone. */
	for (; a; a = next) {
		next = a->next;
		snprintf(a->err, a->err_size, "%s", err);
		a->rc = rc;
		a->done = true;
	}
	pthread_cond_broadcast(&reloader.changed);
}

/* With the lock, which is let go of meanwhile. */
static void reload(void)
{
	static char err[8000]; /* of this thread */
	const bool signalled = reloader.signalled;
	struct asker *askers = reloader.askers;
	int rc;

	reloader.signalled = false;
	reloader.askers = NULL;
	pthread_mutex_unlock(&reloader.lock);
	if (signalled)
		notify("RELOADING=1");
	rc = daemon_reload(reloader.daemon, err, sizeof(err));
	if (signalled)
		notify("READY=1");
	pthread_mutex_lock(&reloader.lock);
	answer(askers, rc, err);
}

static void *run(void *arg)
{
	pthread_mutex_lock(&reloader.lock);
	while (!reloader.ending)
		if (reloader.signalled || reloader.askers)
			reload();
		else
			pthread_cond_wait(&reloader.changed, &reloader.lock);
	answer(reloader.askers, -ECANCELED, "not read: the daemon is being stopped");
	reloader.askers = NULL;
	pthread_mutex_unlock(&reloader.lock);
	return arg;
}

int reloader_start(struct daemon *d)
{
	int rc;

	reloader.daemon = d;
	rc = -pthread_create(&reloader.thread, NULL, run, NULL);
	reloader.runs = !rc;
	return rc;
}

void reloader_stop(void)
{
	if (!reloader.runs)
		return;
	pthread_mutex_lock(&reloader.lock);
	reloader.ending = true;
	pthread_cond_broadcast(&reloader.changed);
	pthread_mutex_unlock(&reloader.lock);
	pthread_join(reloader.thread, NULL);
	reloader.runs = false;
}

void reloader_ask(void)
{
	pthread_mutex_lock(&reloader.lock);
	reloader.signalled = true;
	pthread_cond_broadcast(&reloader.changed);
	pthread_mutex_unlock(&reloader.lock);
}

/* False: it has taken longer than TELL_EVERY. With the lock. */
static bool await(const struct asker *a)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += TELL_EVERY;
	while (!a->done && rc != ETIMEDOUT)
		rc = pthread_cond_clockwait(&reloader.changed, &reloader.lock, CLOCK_MONOTONIC,
					    &until);
	return a->done;
}

int reloader_wait(char *err, size_t err_size, void (*tell)(void *arg), void *arg)
{
	struct asker a = {.err = err, .err_size = err_size};

	pthread_mutex_lock(&reloader.lock);
	if (reloader.ending) {
		answer(&a, -ECANCELED, "not read: the daemon is being stopped");
	} else {
		a.next = reloader.askers;
		reloader.askers = &a;
		pthread_cond_broadcast(&reloader.changed);
	}
	while (!await(&a)) {
		/* A client that does not read keeps nobody but itself waiting. */
		pthread_mutex_unlock(&reloader.lock);
		tell(arg);
		pthread_mutex_lock(&reloader.lock);
	}
	pthread_mutex_unlock(&reloader.lock);
	return a.rc;
}
