// SPDX-License-Identifier: GPL-2.0-or-later
#include "scene.h"

static const char *client(const char *name)
{
	struct listing_answer a;

	return verdict(listing_client(&scene->lists, name, scene->matcher, &a), &a);
}

static void nothing_named(void **state)
{
	(void)state;
	assert_string_equal(address("192.0.2.1"), "none");
	load(0);
	assert_string_equal(address("192.0.2.1"), "none");
	assert_string_equal(client("mail.example"), "none");
}

static void narrowest_of_all(void **state)
{
	struct listing_answer a;
	struct addr addr;

	(void)state;
	write_file(0, "10.0.0.0/8\n2001:db8::/32\n192.0.2.0/24\n");
	write_file(1, "10.1.0.0/16\n2001:db8:1::/48\n192.0.2.0/24\n");
	write_file(2, "10.1.2.3\n");
	scene->conf[0].message = (char *)"go away";
	load(3);
	assert_string_equal(address("10.2.0.1"), "deny a:1");
	assert_string_equal(address("10.1.0.1"), "allow b:1");
	assert_string_equal(address("10.1.2.3"), "deny c:1");
	assert_string_equal(address("2001:db8:2::1"), "deny a:2");
	assert_string_equal(address("2001:db8:1::1"), "allow b:2");
	assert_string_equal(address("192.0.2.1"), "deny a:3"); /* the one that stands first */
	assert_string_equal(address("11.0.0.1"), "none");
	assert_int_equal(addr_parse("10.2.0.1", &addr), 0);
	assert_true(listing_address(&scene->lists, &addr, &a));
	assert_string_equal(a.message, "go away");
	assert_int_equal(a.action, GG_STUTTER);
	assert_int_equal(a.width, 104);
}

/* An exception counts for its own list only. */
static void exceptions(void **state)
{
	(void)state;
	scene->conf[0].format = LIST_POSTSCREEN_CIDR;
	scene->conf[0].verdict = GG_UNKNOWN;
	write_file(0, "10.1.0.0/16 dunno\n10.0.0.0/8 reject\n192.0.2.1 permit\n");
	write_file(2, "10.1.2.0/24\n");
	load(1);
	assert_string_equal(address("10.1.2.3"), "none");
	assert_string_equal(address("10.2.2.3"), "deny a:2");
	assert_string_equal(address("192.0.2.1"), "allow a:3");
	load(3);
	assert_string_equal(address("10.1.2.3"), "deny c:1");
}

static void taken_from(const char *a, const char *b, const char *c, const char *d)
{
	const char *const want[LISTS] = {a, b, c, d};

	for (int i = 0; i < LISTS; i++)
		assert_string_equal(scene->lists.lists[i].from, want[i]);
}

/* As ":black1:black2:white:white:" of spamd.conf(5). */
static void an_exception_takes_out_of_the_list_before_it(void **state)
{
	(void)state;
	scene->conf[1].verdict = GG_DENY;
	scene->conf[2].verdict = scene->conf[3].verdict = CONFIG_EXCEPT;
	write_file(0, "192.0.2.50\n192.0.2.51\n2001:db8::/48\n");
	write_file(1, "192.0.2.52\n192.0.2.50\n192.0.2.54\n2001:db8:1::/48\n2001:db8::1\n");
	write_file(2, "192.0.2.50\n192.0.2.52\n2001:db8::/33\n");
	write_file(3, "192.0.2.54\n");
	load(4);
	assert_string_equal(address("192.0.2.50"), "deny a:1");
	assert_string_equal(address("192.0.2.51"), "deny a:2");
	assert_string_equal(address("192.0.2.52"), "none");
	assert_string_equal(address("192.0.2.54"), "none");
	assert_string_equal(address("2001:db8::1"), "deny a:3");
	assert_string_equal(address("2001:db8:1::1"), "none");
	taken_from("", "", "b", "b");
	/* The list before it names recipients and no client. */
	scene->conf[1].format = LIST_POSTGREY_RECIPIENTS;
	scene->conf[1].verdict = GG_ALLOW;
	write_file(1, "box@\n");
	load(4);
	assert_string_equal(address("192.0.2.50"), "none");
	assert_string_equal(address("192.0.2.51"), "deny a:2");
	assert_string_equal(address("2001:db8::1"), "none");
	taken_from("", "", "a", "a");
}

/* It keeps its place although it couldn't be read: nothing is taken out of another. */
static void an_exception_from_what_is_missing(void **state)
{
	(void)state;
	scene->conf[2].verdict = CONFIG_EXCEPT;
	write_file(0, "192.0.2.50\n");
	write_file(2, "192.0.2.50\n");
	load(3);
	assert_string_equal(address("192.0.2.50"), "deny a:1");
	taken_from("", "", "b", "");
	scene->conf[0].verdict = CONFIG_EXCEPT;
	load(3);
	assert_string_equal(address("192.0.2.50"), "none");
	taken_from("", "", "b", "");
	/* Nothing stands before them. */
	scene->conf[0].verdict = GG_DENY;
	scene->config.lists = scene->conf + 1;
	scene->conf[1].verdict = CONFIG_EXCEPT;
	load(2);
	taken_from("", "", "", "");
}

static void exceptions_by_name(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		scene->conf[i].format = LIST_POSTGREY_CLIENTS;
	scene->conf[0].verdict = scene->conf[1].verdict = GG_DENY;
	scene->conf[2].verdict = CONFIG_EXCEPT;
	write_file(0, "both.example\n");
	write_file(1, "both.example\nmail.example\nother.example\n");
	write_file(2, "both.example\nmail.example\n");
	load(3);
	assert_string_equal(client("both.example"), "deny a:1");
	assert_string_equal(client("mail.example"), "none");
	assert_string_equal(client("other.example"), "deny b:3");
}

static void names_of_several(void **state)
{
	struct listing_answer a;

	(void)state;
	scene->conf[0].format = LIST_ACCESS;
	scene->conf[0].verdict = GG_UNKNOWN;
	scene->conf[0].message = (char *)"of the list";
	scene->conf[1].format = LIST_POSTGREY_CLIENTS;
	scene->conf[3].format = LIST_POSTGREY_RECIPIENTS;
	write_file(0, "example.com REJECT of the entry\nbad.example REJECT\n");
	write_file(1, "mail.example.com\n/^x/\nbad.example\n");
	write_file(3, "box@\n");
	load(4);
	assert_string_equal(client("a.example.com"), "deny a:1");
	assert_string_equal(client("mail.example.com"), "allow b:1");
	assert_string_equal(client("x.example.com"), "deny a:1"); /* a name before a pattern */
	assert_string_equal(client("x.example.org"), "allow b:2");
	assert_string_equal(client("bad.example"), "deny a:2");
	assert_true(listing_client(&scene->lists, "example.com", scene->matcher, &a));
	assert_string_equal(a.message, "of the entry");
	assert_true(listing_client(&scene->lists, "bad.example", scene->matcher, &a));
	assert_string_equal(a.message, "of the list");
	assert_true(listing_recipient(&scene->lists, "box@example.net", scene->matcher, &a));
	assert_string_equal(a.list, "d");
	assert_false(listing_recipient(&scene->lists, "bad.example", scene->matcher, &a));
}

static void last_good_is_kept(void **state)
{
	const struct listed *a = &scene->lists.lists[0], *b = &scene->lists.lists[1];

	(void)state;
	write_file(0, "10.0.0.0/8\n");
	load(2);
	assert_string_equal(address("10.0.0.1"), "deny a:1");
	assert_int_equal(a->failed, 0);
	assert_int_equal(b->read, 0);
	assert_true(b->failed);
	assert_non_null(strstr(b->why, "/b: cannot be read: No such file or directory"));

	write_file(0, "<html>\n");
	load(2);
	assert_string_equal(address("10.0.0.1"), "deny a:1");
	assert_true(a->failed && a->read);
	assert_int_equal(a->entries, 1);
	assert_non_null(strstr(a->why, "/a:1: 1 lines are bad and 0 entries good"));

	unlink(scene->files[0]);
	assert_int_equal(mkdir(scene->files[0], 0700), 0);
	load(2);
	assert_non_null(strstr(a->why, "/a: cannot be read: Is a directory"));
	rmdir(scene->files[0]);
	assert_int_equal(mkfifo(scene->files[0], 0600), 0);
	load(2);
	assert_non_null(strstr(a->why, "/a: cannot be read: "));
	unlink(scene->files[0]);
	write_file(0, "");
	assert_int_equal(truncate(scene->files[0], (off_t)LIST_FILE + 1), 0);
	load(2);
	assert_non_null(strstr(a->why, "/a: cannot be read: File too large"));
	assert_string_equal(address("10.0.0.1"), "deny a:1");

	write_file(0, "x\n192.0.2.1\n");
	load(2);
	assert_int_equal(a->failed, 0);
	assert_string_equal(a->why, "");
	assert_int_equal(a->bad, 1);
	assert_string_equal(address("10.0.0.1"), "none");
	assert_string_equal(address("192.0.2.1"), "deny a:2");
}

/* Settings change with a reload although the file can't be read. */
static void settings_of_a_kept_list(void **state)
{
	(void)state;
	write_file(0, "10.0.0.0/8\n");
	load(1);
	unlink(scene->files[0]);
	scene->conf[0].verdict = GG_ALLOW;
	load(1);
	assert_string_equal(address("10.0.0.1"), "allow a:1");
}

static void lists_come_and_go(void **state)
{
	struct listing_answer a;
	struct addr addr;
	int number;

	(void)state;
	write_file(0, "10.0.0.1\n");
	write_file(1, "10.0.0.2\n");
	write_file(2, "10.0.0.3\n");
	load(3);
	assert_int_equal(addr_parse("10.0.0.2", &addr), 0);
	assert_true(listing_address(&scene->lists, &addr, &a));
	number = a.number;
	for (int i = 0; i < 3; i++)
		listing_hit(&scene->lists, &a);
	/* a goes, the order changes: b is still the one it was. */
	scene->config.lists = scene->conf + 1;
	load(2);
	assert_string_equal(address("10.0.0.1"), "none");
	assert_true(listing_address(&scene->lists, &addr, &a));
	assert_int_equal(a.number, number);
	assert_int_equal(atomic_load(&scene->lists.lists[number - 1].hits), 3);
	scene->config.lists = scene->conf;
	load(1);
	assert_string_equal(address("10.0.0.2"), "none");
	load(2);
	assert_true(listing_address(&scene->lists, &addr, &a));
	assert_int_equal(atomic_load(&scene->lists.lists[a.number - 1].hits), 0);
}

static void lend_it(size_t done, size_t all, void *asked)
{
	(void)done;
	(void)all;
	++*(int *)asked;
	assert_int_equal(listing_lend(&scene->lists), -EBUSY);
}

static void an_import_is_whole_before_the_lists_are_lent(void **state)
{
	int asked = 0;
	const struct fastpath_progress progress = {lend_it, &asked};
	struct listing *l = &scene->lists;

	(void)state;
	load(0);
	import("feed", "192.0.2.0/24\n", GG_DENY);
	assert_int_equal(try_import("feed", "192.0.2.0/25\n2001:db8::/32\n", GG_DENY, &progress),
			 0);
	assert_true(asked > 0);
	assert_string_equal(address("2001:db8::1"), "deny feed:2");
	/* It was asked for while that went on: nothing more is begun. */
	assert_int_equal(try_import("feed", "10.0.0.1\n", GG_DENY, NULL), -EAGAIN);
	assert_int_equal(listing_lend(l), 0);
	assert_int_equal(try_import("other", "10.0.0.1\n", GG_DENY, NULL), -EAGAIN);
	assert_int_equal(take_out("feed"), -EAGAIN);
	assert_string_equal(address("192.0.2.1"), "deny feed:1");
	assert_string_equal(address("192.0.2.200"), "none");
	assert_string_equal(address("10.0.0.1"), "none");
	listing_take_back(l);
	import("other", "10.0.0.1\n", GG_DENY);
	assert_string_equal(address("10.0.0.1"), "deny other:1");
	assert_int_equal(take_out("feed"), 0);
	assert_string_equal(address("192.0.2.1"), "none");
}

static atomic_int waits;

static void count_wait(void *arg)
{
	(void)arg;
	atomic_fetch_add(&waits, 1);
}

static void *take_turn(void *ret)
{
	*(int *)ret = listing_begin(&scene->lists, count_wait, NULL);
	if (!*(int *)ret)
		listing_end(&scene->lists);
	return NULL;
}

/* At once, and again while it lasts; an upgrade ends the wait, if not at once. */
static void who_waits_for_a_turn_is_told(void **state)
{
	struct listing *l = &scene->lists;
	pthread_t thread;
	int rc;

	(void)state;
	for (int lent = 0; lent < 2; lent++) {
		atomic_store(&waits, 0);
		assert_int_equal(listing_begin(l, wait_never, NULL), 0);
		assert_int_equal(pthread_create(&thread, NULL, take_turn, &rc), 0);
		while (atomic_load(&waits) < 2 - lent)
			usleep(1000);
		if (lent)
			assert_int_equal(listing_lend(l), -EBUSY);
		else
			listing_end(l);
		pthread_join(thread, NULL);
		assert_int_equal(rc, lent ? -EAGAIN : 0);
	}
	listing_end(l);
}

static _Atomic bool over;
static atomic_uint torn;

/* At any time the address stands in one of the two lists, never in none. */
static void *keep_asking(void *arg)
{
	struct listing_answer a;
	struct addr addr;

	(void)arg;
	addr_parse("10.0.0.1", &addr);
	while (!atomic_load(&over))
		if (!listing_address(&scene->lists, &addr, &a))
			atomic_fetch_add(&torn, 1);
	return NULL;
}

static void nobody_sees_half(void **state)
{
	pthread_t threads[2];

	(void)state;
	write_file(0, "10.0.0.0/8\n");
	write_file(1, "192.0.2.1\n");
	load(2);
	atomic_store(&over, false);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, keep_asking, NULL), 0);
	for (int i = 0; i < 50; i++) {
		write_file(i % 2, "192.0.2.1\n");
		write_file(!(i % 2), "10.0.0.0/8\n");
		load(2);
	}
	atomic_store(&over, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&torn), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_named, begin, end),
		cmocka_unit_test_setup_teardown(narrowest_of_all, begin, end),
		cmocka_unit_test_setup_teardown(exceptions, begin, end),
		cmocka_unit_test_setup_teardown(an_exception_takes_out_of_the_list_before_it, begin,
						end),
		cmocka_unit_test_setup_teardown(an_exception_from_what_is_missing, begin, end),
		cmocka_unit_test_setup_teardown(exceptions_by_name, begin, end),
		cmocka_unit_test_setup_teardown(names_of_several, begin, end),
		cmocka_unit_test_setup_teardown(last_good_is_kept, begin, end),
		cmocka_unit_test_setup_teardown(settings_of_a_kept_list, begin, end),
		cmocka_unit_test_setup_teardown(lists_come_and_go, begin, end),
		cmocka_unit_test_setup_teardown(an_import_is_whole_before_the_lists_are_lent, begin,
						end),
		cmocka_unit_test_setup_teardown(who_waits_for_a_turn_is_told, begin, end),
		cmocka_unit_test_setup_teardown(nobody_sees_half, begin, end),
	};

	return cmocka_run_group_tests(tests, directory_make, directory_remove);
}
