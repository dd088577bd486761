// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "reloader.c"

static atomic_int begun, notified;
static _Atomic bool held; /* reloads go on until it isn't */

int daemon_reload(struct daemon *d, char *err, size_t err_size)
{
	const int number = atomic_fetch_add(&begun, 1) + 1;

	(void)d;
	while (atomic_load(&held))
		usleep(1000);
	snprintf(err, err_size, "number %d", number);
	return number % 2 ? 0 : -EINVAL;
}
void notify(const char *state)
{
	(void)state;
	atomic_fetch_add(&notified, 1);
}

struct client {
	pthread_t thread;
	char err[20];
	int rc;
	atomic_int told;
};

static void tell(void *arg)
{
	struct client *c = arg;

	atomic_fetch_add(&c->told, 1);
}

static void *ask(void *arg)
{
	struct client *c = arg;

	c->rc = reloader_wait(c->err, sizeof(c->err), tell, c);
	return NULL;
}

static void begin(struct client *c)
{
	assert_int_equal(pthread_create(&c->thread, NULL, ask, c), 0);
}

static void ends(struct client *c, int rc, const char *err)
{
	pthread_join(c->thread, NULL);
	assert_int_equal(c->rc, rc);
	assert_string_equal(c->err, err);
}

static size_t asked(void)
{
	size_t n = 0;

	pthread_mutex_lock(&reloader.lock);
	for (const struct asker *a = reloader.askers; a; a = a->next)
		n++;
	pthread_mutex_unlock(&reloader.lock);
	return n;
}

static int start(void **state)
{
	(void)state;
	begun = notified = 0;
	held = true;
	reloader.ending = false;
	return reloader_start(NULL);
}

/* Who has the heartbeat to give waits for nothing. */
static void a_signal_waits_for_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		reloader_ask();
	while (atomic_load(&begun) != 1)
		usleep(1000);
	/* Of what has changed since that one has begun it may know nothing. */
	for (int i = 0; i < 3; i++)
		reloader_ask();
	held = false;
	while (atomic_load(&notified) != 4)
		usleep(1000);
	reloader_stop();
	assert_int_equal(begun, 2);
	assert_int_equal(notified, 4);
}

static void all_who_ask_meanwhile_share_the_next(void **state)
{
	struct client first = {0}, others[5] = {0};

	(void)state;
	begin(&first);
	while (atomic_load(&begun) != 1)
		usleep(1000);
	for (int i = 0; i < 5; i++)
		begin(&others[i]);
	while (asked() != 5)
		usleep(1000);
	held = false;
	ends(&first, 0, "number 1");
	for (int i = 0; i < 5; i++)
		ends(&others[i], -EINVAL, "number 2");
	assert_int_equal(begun, 2);
	assert_int_equal(notified, 0);
	reloader_stop();
}

/* Who hears nothing for a minute gives up. */
static void a_client_hears_that_it_goes_on(void **state)
{
	struct client c = {0};

	(void)state;
	begin(&c);
	while (!atomic_load(&c.told))
		usleep(1000);
	held = false;
	ends(&c, 0, "number 1");
	reloader_stop();
}

static void *stop(void *arg)
{
	reloader_stop();
	return arg;
}

static void a_stop_waits_for_the_one_that_is_under_way(void **state)
{
	static const char why[] = "not read: the daemon is";
	struct client first = {0}, next = {0}, late = {0};
	pthread_t stopper;

	(void)state;
	begin(&first);
	while (atomic_load(&begun) != 1)
		usleep(1000);
	begin(&next);
	while (asked() != 1)
		usleep(1000);
	assert_int_equal(pthread_create(&stopper, NULL, stop, NULL), 0);
	/* Until that has been said the second one could still have its turn. */
	for (bool ending = false; !ending;) {
		usleep(1000);
		pthread_mutex_lock(&reloader.lock);
		ending = reloader.ending;
		pthread_mutex_unlock(&reloader.lock);
	}
	begin(&late);
	ends(&late, -ECANCELED, "not read: the daemo");
	held = false;
	pthread_join(stopper, NULL);
	ends(&first, 0, "number 1");
	pthread_join(next.thread, NULL);
	assert_int_equal(next.rc, -ECANCELED);
	assert_memory_equal(next.err, why, sizeof(next.err) - 1);
	assert_int_equal(begun, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_signal_waits_for_nothing, start),
		cmocka_unit_test_setup(all_who_ask_meanwhile_share_the_next, start),
		cmocka_unit_test_setup(a_client_hears_that_it_goes_on, start),
		cmocka_unit_test_setup(a_stop_waits_for_the_one_that_is_under_way, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
