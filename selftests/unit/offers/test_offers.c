// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "offers.c"

static struct daemon *d;
static struct config *c;
static struct endpoint servers[3];
static char state[] = "/tmp/greygate-offers.XXXXXX";

enum { ALL = CARRIED | UPSTREAM_SIZE | UPSTREAM_PIPELINING };

static const struct endpoint *server(int i)
{
	static struct endpoint e;
	char text[ENDPOINT_TEXT];

	snprintf(text, sizeof(text), "192.0.2.%d:25", i + 1);
	assert_int_equal(endpoint_parse(text, &e), 0);
	return &e;
}

static void configure(int first, int count)
{
	c->backend_count = count;
	for (int i = 0; i < count; i++)
		servers[i] = *server(first + i);
	offers_targets(d, c);
}

static int make(void **unused)
{
	(void)unused;
	d = calloc(1, sizeof(*d));
	c = calloc(1, sizeof(*c));
	if (!d || !c)
		return -1;
	pthread_mutex_init(&d->offers_lock, NULL);
	c->mode = GG_MODE_RELAY;
	c->state_dir = state;
	c->backend = servers;
	return 0;
}

static int unmake(void **unused)
{
	(void)unused;
	free(d);
	free(c);
	return 0;
}

static void hear(int i, uint32_t caps, uint64_t size)
{
	const struct upstream up = {.caps = caps, .size_limit = size};

	offers_learn(d, c, server(i), &up);
}

static void set_down(int i, bool down)
{
	atomic_store(&d->backend_down[i], down ? UINT64_MAX : 0);
	offers_again(d, c);
}

static uint32_t caps(void)
{
	bool known;

	return offers_caps(d, &known);
}

static bool heard(void)
{
	bool known;

	offers_caps(d, &known);
	return known;
}

static void before_anything_is_heard_all_is_offered(void **unused)
{
	(void)unused;
	configure(0, 2);
	set_down(0, true);
	set_down(1, true);
	assert_false(heard());
	assert_int_equal(caps(), CARRIED);
	assert_int_equal(offers_size(d), 0);
}

static void of_those_that_answer_what_all_have(void **unused)
{
	(void)unused;
	configure(0, 2);
	hear(0, ALL & ~UPSTREAM_DSN, 1000);
	assert_true(heard());
	assert_int_equal(caps(), ALL & ~UPSTREAM_DSN);
	hear(1, ALL & ~UPSTREAM_ENHANCED, 500);
	assert_int_equal(caps(), ALL & ~(UPSTREAM_DSN | UPSTREAM_ENHANCED));
	assert_int_equal(offers_size(d), 500);
	set_down(1, true);
	assert_int_equal(caps(), ALL & ~UPSTREAM_DSN);
	assert_int_equal(offers_size(d), 1000);
}

static void while_none_answers_what_any_may_have(void **unused)
{
	(void)unused;
	configure(0, 3);
	hear(0, UPSTREAM_8BITMIME, 1000);
	hear(1, UPSTREAM_DSN, 500);
	for (int i = 0; i < 3; i++)
		set_down(i, true);
	assert_int_equal(caps() & CARRIED, CARRIED); /* the third was never heard */
	assert_int_equal(offers_size(d), 0);
	hear(2, UPSTREAM_DSN, 700);
	assert_int_equal(caps(), UPSTREAM_8BITMIME | UPSTREAM_DSN);
	assert_int_equal(offers_size(d), 1000);
	set_down(1, false);
	assert_int_equal(caps(), UPSTREAM_DSN);
	assert_int_equal(offers_size(d), 500);
}

static void a_protected_server_is_never_left_out(void **unused)
{
	(void)unused;
	c->mode = GG_MODE_GATEWAY;
	c->protect_count = 1;
	c->protect = servers;
	servers[0] = *server(0);
	offers_targets(d, c);
	assert_int_equal(caps(), CARRIED);
	hear(0, UPSTREAM_DSN, 0);
	set_down(0, true);
	assert_int_equal(caps(), UPSTREAM_DSN);
}

static void a_delivery_takes_away_and_adds_nothing(void **unused)
{
	const struct upstream less = {.caps = UPSTREAM_DSN | UPSTREAM_CHUNKING, .size_limit = 10};

	(void)unused;
	configure(0, 1);
	hear(0, UPSTREAM_DSN | UPSTREAM_8BITMIME, 1000);
	offers_confirm(d, c, server(0), &less);
	assert_int_equal(caps(), UPSTREAM_DSN);
	assert_int_equal(offers_size(d), 10);
	/* Where nothing was known it is all there is. */
	configure(1, 1);
	assert_int_equal(caps(), CARRIED);
	offers_confirm(d, c, server(1), &less);
	assert_int_equal(caps(), less.caps);
	/* One that is no mail server of ours any more changes nothing. */
	offers_confirm(d, c, server(7), &(struct upstream){0});
	assert_int_equal(caps(), less.caps);
}

static void other_settings_keep_what_is_known(void **unused)
{
	(void)unused;
	configure(0, 2);
	hear(1, UPSTREAM_DSN, 100);
	configure(1, 2);
	assert_true(heard());
	assert_int_equal(caps(), UPSTREAM_DSN);
	configure(5, 1);
	assert_false(heard());
	assert_int_equal(caps(), CARRIED);
}

static void it_outlives_the_daemon(void **unused)
{
	(void)unused;
	configure(0, 2);
	hear(0, UPSTREAM_DSN, 100);
	offers_keep(d, c);
	unmake(NULL);
	make(NULL);
	c->backend_count = 2;
	servers[0] = *server(3);
	servers[1] = *server(0);
	offers_restore(d, c);
	assert_true(heard());
	assert_int_equal(caps(), UPSTREAM_DSN);
	assert_int_equal(offers_size(d), 100);
	assert_false(d->offers_changed);
}

static int make_state(void **unused)
{
	(void)unused;
	return mkdtemp(state) ? 0 : -1;
}

static int unmake_state(void **unused)
{
	char file[100];

	(void)unused;
	snprintf(file, sizeof(file), "%s/" OFFERS_FILE, state);
	unlink(file);
	return rmdir(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(before_anything_is_heard_all_is_offered),
		TEST(of_those_that_answer_what_all_have),
		TEST(while_none_answers_what_any_may_have),
		TEST(a_protected_server_is_never_left_out),
		TEST(a_delivery_takes_away_and_adds_nothing),
		TEST(other_settings_keep_what_is_known),
		TEST(it_outlives_the_daemon),
	};

	return cmocka_run_group_tests(tests, make_state, unmake_state);
}
