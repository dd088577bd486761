// SPDX-License-Identifier: GPL-2.0-or-later
/* The health of mail servers: which end of a greeting makes one full, and which down. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../core/logged.h"
#include "backend.h"
#include "greeting.h"

#define NOW 5000000u /* ms */
#define MINUTE 60000u
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

enum { FIRST, SECOND, SERVERS };

static struct endpoint servers[SERVERS];
static struct config c = {
	.mode = GG_MODE_RELAY, .backend = servers, .backend_count = SERVERS, .hostname = "x"};
static struct daemon d;

static int make(void **unused)
{
	(void)unused;
	memset(&d, 0, sizeof(d));
	pthread_mutex_init(&d.offers_lock, NULL);
	d.counters[DAEMON_WORKERS] = &d.own;
	return endpoint_parse("192.0.2.1:25", &servers[FIRST]) ||
	       endpoint_parse("[2001:db8::1]:25", &servers[SECOND]);
}

static bool ungreeted(int which, uint64_t now, const char *says)
{
	const struct ailment_end end = {greeting(says, UPSTREAM_TLS_NONE), false, "why"};

	return backend_ungreeted(&d, &c, which, now, &end);
}

static void only_a_421_is_for_want_of_room(void **unused)
{
	static const struct {
		const char *says;
		bool full;
	} rows[] = {
		{"421 4.7.0 too many connections\r\n", true},
		{"421-4.3.2 come\r\n421 4.3.2 later\r\n", true},
		{"220 hello\r\n421 4.7.0 too many\r\n", true},
		{"554 5.7.1 go away\r\n", false},
		{"450 4.7.1 not now\r\n", false},
		{"421 4.7.0 too many", false},
		{"what?\r\n", false},
		{"220 hello\r\n", false},
		{"", false},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (int which = 0; which < SERVERS; which++) {
			bool standing = false;

			make(NULL);
			backend_stands(&d, which, &standing, true);
			assert_int_equal(ungreeted(which, NOW, rows[i].says), rows[i].full);
			assert_int_equal(backend_is_full(&d, which, NOW), rows[i].full);
			assert_int_equal(backend_is_down(&d, which, NOW), !rows[i].full);
			assert_int_equal(daemon_count(&d, COUNT_backend_full), rows[i].full);
			assert_false(backend_is_full(&d, !which, NOW));
			assert_false(backend_is_down(&d, !which, NOW));
		}
	}
}

static void it_is_down_with_the_last_one_that_stood(void **unused)
{
	bool a = false, b = false, other = false;

	(void)unused;
	backend_stands(&d, FIRST, &a, true);
	backend_stands(&d, FIRST, &a, true); /* as often as one likes */
	backend_stands(&d, FIRST, &b, true);
	backend_stands(&d, SECOND, &other, true);
	backend_stands(&d, FIRST, &a, false);
	backend_stands(&d, FIRST, &a, false);
	assert_false(a);
	assert_true(b);
	assert_true(ungreeted(FIRST, NOW, "421 full\r\n"));
	backend_stands(&d, FIRST, &b, false);
	assert_false(ungreeted(FIRST, NOW, "421 full\r\n"));
	assert_true(backend_is_down(&d, FIRST, NOW));
	assert_true(ungreeted(SECOND, NOW, "421 full\r\n"));
	assert_false(backend_is_down(&d, SECOND, NOW));
}

static void the_log_says_it_once_for_each_time_it_fills(void **unused)
{
	bool standing = false;
	int lines = 0;
	char *text;

	(void)unused;
	begin(LOG_JSON);
	backend_stands(&d, SECOND, &standing, true);
	for (uint64_t t = 0; t < 10; t++)
		ungreeted(SECOND, NOW + t * (MINUTE - 1), "421 full\r\n");
	assert_true(backend_is_full(&d, SECOND, NOW + 10 * (MINUTE - 1)));
	assert_false(backend_is_full(&d, SECOND, NOW + 10 * (MINUTE - 1) + 1));
	ungreeted(SECOND, NOW + 11 * MINUTE, "421 full\r\n");
	assert_int_equal(daemon_count(&d, COUNT_backend_full), 11);
	text = end();
	for (const char *p = text; (p = strstr(p, "\"full\"")); p++)
		lines++;
	assert_int_equal(lines, 2);
	assert_non_null(strstr(text, "[2001:db8::1]:25"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(only_a_421_is_for_want_of_room, make),
		cmocka_unit_test_setup(it_is_down_with_the_last_one_that_stood, make),
		cmocka_unit_test_setup(the_log_says_it_once_for_each_time_it_fills, make),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
