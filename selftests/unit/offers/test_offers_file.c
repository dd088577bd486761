// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "offers_file.c"
#include "relay/upstream.h"

static char state[] = "/tmp/greygate-offers.XXXXXX";
static struct offer got[CONFIG_TARGETS];

static struct offer some(const char *peer, uint64_t size, uint32_t caps)
{
	struct offer o = {.size = size, .caps = caps, .known = true};

	assert_int_equal(endpoint_parse(peer, &o.peer), 0);
	return o;
}

static const char *path(void)
{
	static char file[100];

	snprintf(file, sizeof(file), "%s/" OFFERS_FILE, state);
	return file;
}

static void put(const char *text)
{
	FILE *f = fopen(path(), "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void what_is_kept_comes_back(void **unused)
{
	struct offer list[CONFIG_TARGETS] = {
		some("192.0.2.25:25", 52428800, UPSTREAM_PIPELINING | UPSTREAM_SIZE),
		some("[2001:db8::25]:65535", UINT64_MAX, UPSTREAM_ENHANCED | UPSTREAM_8BITMIME),
		some("198.51.100.1:1", 0, 0),
	};
	struct stat st;

	(void)unused;
	assert_int_equal(offers_file_read(state, got, CONFIG_TARGETS), -ENOENT);
	assert_int_equal(offers_file_write(state, list, 1), 0);
	assert_int_equal(offers_file_write(state, list, 3), 0);
	assert_int_equal(stat(path(), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(offers_file_read(state, got, CONFIG_TARGETS), 3);
	for (int i = 0; i < 3; i++) {
		assert_true(addr_eq(&got[i].peer.addr, &list[i].peer.addr));
		assert_int_equal(got[i].peer.port, list[i].peer.port);
		assert_int_equal(got[i].caps, list[i].caps);
		assert_true(got[i].size == list[i].size);
		assert_true(got[i].known);
	}
	assert_int_equal(offers_file_read(state, got, 2), 2);
	for (int i = 0; i < CONFIG_TARGETS; i++)
		list[i] = list[1];
	assert_int_equal(offers_file_write(state, list, CONFIG_TARGETS), 0);
	assert_int_equal(offers_file_read(state, got, CONFIG_TARGETS), CONFIG_TARGETS);
	assert_int_equal(offers_file_write(state, list, 0), 0);
	assert_int_equal(offers_file_read(state, got, CONFIG_TARGETS), 0);
}

/* A word for each capability that is named, and back. */
static void every_extension_is_kept(void **unused)
{
	struct offer o;

	(void)unused;
	for (uint32_t cap = 1; cap; cap <<= 1) {
		if (!greeting_keyword(cap))
			continue;
		o = some("192.0.2.25:25", 1, cap);
		assert_int_equal(offers_file_write(state, &o, 1), 0);
		assert_int_equal(offers_file_read(state, got, 1), 1);
		assert_int_equal(got[0].caps, cap);
	}
}

static void what_is_not_such_a_file_is_not_believed(void **unused)
{
	static const char *const rows[] = {
		"",
		"\n",
		"greygate offers 2\n",
		"greygate offers 1",
		HEAD "192.0.2.25:25 1 SIZE",
		HEAD "\n",
		HEAD "192.0.2.25:25\n",
		HEAD "192.0.2.25:25 SIZE\n",
		HEAD "192.0.2.25 1 SIZE\n",
		HEAD "192.0.2.25:0 1 SIZE\n",
		HEAD "192.0.2.25:25 -1 SIZE\n",
		HEAD "192.0.2.25:25 +1 SIZE\n",
		HEAD "192.0.2.25:25 1x SIZE\n",
		HEAD "192.0.2.25:25 18446744073709551616 SIZE\n",
		HEAD "192.0.2.25:25 1 SIZES\n",
		HEAD "192.0.2.25:25 1 size\n",
		HEAD "192.0.2.25:25 1 SIZE\nrubbish\n",
	};
	char longest[2 * LINE];

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put(rows[i]);
		assert_int_equal(offers_file_read(state, got, CONFIG_TARGETS), -EINVAL);
	}
	snprintf(longest, sizeof(longest), HEAD "192.0.2.25:25 1%*s\n", LINE, "SIZE");
	put(longest);
	assert_int_equal(offers_file_read(state, got, CONFIG_TARGETS), -EINVAL);
}

static void what_can_not_be_written_leaves_what_was(void **unused)
{
	struct offer o = some("192.0.2.25:25", 7, UPSTREAM_DSN);
	char aside[100];

	(void)unused;
	assert_int_equal(offers_file_write(state, &o, 1), 0);
	snprintf(aside, sizeof(aside), "%s/" OFFERS_FILE ".new", state);
	assert_int_equal(mkdir(aside, 0700), 0);
	o.size = 8;
	assert_int_equal(offers_file_write(state, &o, 1), -EEXIST);
	assert_int_equal(rmdir(aside), 0);
	assert_int_equal(offers_file_read(state, got, 1), 1);
	assert_true(got[0].size == 7);
	assert_int_equal(offers_file_write("/nonexistent", &o, 1), -ENOENT);
}

static int make(void **unused)
{
	(void)unused;
	return mkdtemp(state) ? 0 : -1;
}

static int unmake(void **unused)
{
	(void)unused;
	unlink(path());
	return rmdir(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_kept_comes_back),
		cmocka_unit_test(every_extension_is_kept),
		cmocka_unit_test(what_is_not_such_a_file_is_not_believed),
		cmocka_unit_test(what_can_not_be_written_leaves_what_was),
	};

	return cmocka_run_group_tests(tests, make, unmake);
}
