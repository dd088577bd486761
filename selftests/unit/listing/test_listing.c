// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "listing.h"

#define LISTS 4

static const uint8_t key[HASH_KEY] = {3};
static char dir[] = "/tmp/greygate-listing.XXXXXX";

/* Files a, b, c, d of lists a, b, c, d; what a test leaves out of config.list_count is not named.
 */
static struct scene {
	struct listing lists;
	struct config_list conf[LISTS];
	struct config config;
	char names[LISTS][2], files[LISTS][64];
	struct list_matcher *matcher;
	struct verdicts *verdicts;
} * scene;

static void write_file(int n, const char *text)
{
	FILE *f = fopen(scene->files[n], "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

static void load(int count)
{
	scene->config.list_count = count;
	listing_load(&scene->lists, &scene->config);
}

static int begin(void **state)
{
	(void)state;
	scene = aligned_alloc(_Alignof(struct scene), sizeof(*scene));
	memset(scene, 0, sizeof(*scene));
	listing_init(&scene->lists);
	assert_int_equal(verdicts_new(100, key, &scene->verdicts), 0);
	scene->lists.verdicts = scene->verdicts;
	scene->lists.key = key;
	scene->matcher = list_matcher_new();
	scene->config.lists = scene->conf;
	for (int i = 0; i < LISTS; i++) {
		scene->names[i][0] = (char)('a' + i);
		snprintf(scene->files[i], sizeof(scene->files[i]), "%s/%c", dir, 'a' + i);
		unlink(scene->files[i]);
		rmdir(scene->files[i]);
		scene->conf[i] = (struct config_list){.name = scene->names[i],
						      .file = scene->files[i],
						      .verdict = i % 2 ? GG_ALLOW : GG_DENY,
						      .action = GG_STUTTER};
	}
	return 0;
}

static int end(void **state)
{
	(void)state;
	listing_free(&scene->lists);
	verdicts_free(&scene->verdicts);
	list_matcher_free(&scene->matcher);
	free(scene);
	return 0;
}

static const char *verdict(bool found, const struct listing_answer *a)
{
	static char text[64];

	if (!found)
		return "none";
	snprintf(text, sizeof(text), "%s %s:%u", a->verdict == GG_ALLOW ? "allow" : "deny", a->list,
		 a->line);
	return text;
}

/* What is put into the kernel says the same. */
static const char *address(const char *text)
{
	struct listing_answer a;
	struct verdict_entry e;
	struct addr addr;
	bool found;

	assert_int_equal(addr_parse(text, &addr), 0);
	found = listing_address(&scene->lists, &addr, &a);
	assert_int_equal(verdicts_find(scene->verdicts, &addr, 1, &e, NULL), found);
	if (found) {
		assert_int_equal(e.verdict, a.verdict);
		assert_int_equal(e.list, a.number);
	}
	return verdict(found, &a);
}

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

static struct listing_imported imported; /* by the last import */

static int try_import(const char *name, const char *text, enum gg_verdict verdict,
		      const struct fastpath_progress *progress)
{
	char errors[2000];
	const struct listing_import what = {.name = name,
					    .file = name,
					    .verdict = verdict,
					    .text = text,
					    .len = strlen(text),
					    .progress = progress,
					    .errors = errors,
					    .size = sizeof(errors)};

	return listing_import(&scene->lists, &scene->config, &what, &imported);
}

static void import(const char *name, const char *text, enum gg_verdict verdict)
{
	assert_int_equal(try_import(name, text, verdict, NULL), 0);
}

/* Added, removed, changed, unchanged. */
static const char *changes(const char *text, enum list_format format, enum gg_verdict verdict,
			   enum gg_action action, const char *message)
{
	static char counts[100];
	char errors[2000];
	const struct listing_import what = {.name = "feed",
					    .file = "feed",
					    .format = format,
					    .has_format = true,
					    .verdict = verdict,
					    .action = action,
					    .message = message,
					    .text = text,
					    .len = strlen(text),
					    .errors = errors,
					    .size = sizeof(errors)};

	assert_int_equal(listing_import(&scene->lists, &scene->config, &what, &imported), 0);
	snprintf(counts, sizeof(counts), "%d %d %d %d", (int)imported.added, (int)imported.removed,
		 (int)imported.changed, (int)imported.unchanged);
	return counts;
}

/* What is the same prefix or name need not say the same. */
static void what_an_import_changes(void **state)
{
	static const char one[] = "192.0.2.1\n192.0.2.2\n",
			  access[] = "192.0.2.1 REJECT no\n192.0.2.2 OK\nbad.example REJECT\n",
			  other[] = "192.0.2.1 REJECT go\n192.0.2.2 OK\nbad.example REJECT\n";

	(void)state;
	assert_string_equal(changes(one, LIST_CIDR, GG_DENY, GG_REJECT, NULL), "2 0 0 0");
	assert_string_equal(changes(one, LIST_CIDR, GG_DENY, GG_REJECT, NULL), "0 0 0 2");
	assert_string_equal(changes(one, LIST_SPAMD, GG_DENY, GG_REJECT, NULL), "0 0 0 2");
	assert_string_equal(changes(one, LIST_CIDR, GG_DENY, GG_DROP_NEW, NULL), "0 0 2 0");
	assert_string_equal(changes(one, LIST_CIDR, GG_DENY, GG_DROP_NEW, "words"), "0 0 2 0");
	assert_string_equal(changes(one, LIST_CIDR, GG_ALLOW, GG_DROP_NEW, NULL), "0 0 2 0");
	/* Whom it allows gets no words. */
	assert_string_equal(changes(one, LIST_CIDR, GG_ALLOW, GG_REJECT, "others"), "0 0 0 2");
	assert_string_equal(changes(access, LIST_ACCESS, GG_UNKNOWN, GG_REJECT, NULL), "2 0 1 1");
	assert_string_equal(changes(other, LIST_ACCESS, GG_UNKNOWN, GG_REJECT, NULL), "0 0 1 3");
	/* A name is rejected whatever the action is. */
	assert_string_equal(changes(other, LIST_ACCESS, GG_UNKNOWN, GG_TARPIT, NULL), "0 0 1 3");
}

/* As after a start. */
static void again(void)
{
	const char *state_dir = scene->lists.state_dir;
	int kept = scene->lists.kept;

	scene->lists.kept = -1;
	listing_free(&scene->lists);
	memset(&scene->lists, 0, sizeof(scene->lists));
	listing_init(&scene->lists);
	scene->lists.verdicts = scene->verdicts;
	scene->lists.key = key;
	scene->lists.kept = kept;
	scene->lists.state_dir = state_dir;
	load(0);
}

static const char *in_order(void)
{
	static char text[200];
	int slots[LISTING_MAX], n = listing_order(&scene->lists, &scene->config, slots);

	text[0] = 0;
	for (int i = 0, len = 0; i < n; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len, "%s ",
				scene->lists.lists[slots[i]].name);
	return text;
}

/* A list's order is when it was first imported, whatever place a removed one has left. */
static void imported_lists_keep_their_order(void **state)
{
	char state_dir[] = "/tmp/greygate-order.XXXXXX", command[100];

	(void)state;
	assert_non_null(mkdtemp(state_dir));
	scene->lists.kept = kept_open(state_dir);
	assert_true(scene->lists.kept >= 0);
	load(0);
	import("old", "192.0.2.0/24\n", GG_DENY);
	import("except", "10.0.0.1\n2001:db8::1\n", (enum gg_verdict)CONFIG_EXCEPT);
	assert_int_equal(listing_remove(&scene->lists, &scene->config, "old"), 0);
	import("feed", "10.0.0.1\n2001:db8::1\n", GG_DENY);
	for (int i = 0; i < 3; i++) {
		assert_string_equal(in_order(), i ? "except feed other " : "except feed ");
		assert_string_equal(address("10.0.0.1"), "deny feed:1");
		assert_string_equal(address("2001:db8::1"), "deny feed:2");
		if (i == 0)
			import("other", "198.51.100.0/24\n", GG_DENY);
		else
			again();
	}
	/* Its text is new, its place is not; one that comes anew comes last. */
	import("except", "10.0.0.1\n10.0.0.2\n", GG_UNKNOWN);
	assert_string_equal(in_order(), "except feed other ");
	assert_int_equal(listing_remove(&scene->lists, &scene->config, "except"), 0);
	import("except", "10.0.0.1\n", (enum gg_verdict)CONFIG_EXCEPT);
	for (int i = 0; i < 2; i++) {
		assert_string_equal(in_order(), "feed other except ");
		assert_string_equal(address("10.0.0.1"), "deny feed:1");
		assert_string_equal(address("2001:db8::1"), "deny feed:2");
		again();
	}
	/* What it takes from is the list before it, which is another one now. */
	assert_int_equal(listing_remove(&scene->lists, &scene->config, "other"), 0);
	for (int i = 0; i < 2; i++) {
		assert_string_equal(in_order(), "feed except ");
		assert_string_equal(address("10.0.0.1"), "none");
		assert_string_equal(address("2001:db8::1"), "deny feed:2");
		again();
	}
	snprintf(command, sizeof(command), "rm -r %s", state_dir);
	assert_int_equal(system(command), 0);
}

/* Overwrites, or with NULL cuts off, what is kept of a list. */
static void damage(const char *state_dir, const char *name, const char *with)
{
	char path[100];
	FILE *f;

	snprintf(path, sizeof(path), "%s/lists/%s.list", state_dir, name);
	f = fopen(path, "r+");
	assert_non_null(f);
	if (with)
		assert_int_equal(fwrite(with, 1, strlen(with), f), strlen(with));
	else
		assert_int_equal(ftruncate(fileno(f), 400), 0);
	assert_int_equal(fclose(f), 0);
}

static const struct listed *listed(const char *name)
{
	for (int i = 0; i < LISTING_MAX; i++)
		if (!strcmp(scene->lists.lists[i].name, name))
			return &scene->lists.lists[i];
	return NULL;
}

/* Nothing is lost without a word, at no start, until it is imported again or removed. */
static void what_is_damaged_is_said_and_set_aside(void **state)
{
	char state_dir[] = "/tmp/greygate-damaged.XXXXXX", command[100], text[1000], want[200];

	(void)state;
	assert_non_null(mkdtemp(state_dir));
	scene->lists.kept = kept_open(state_dir);
	scene->lists.state_dir = state_dir;
	load(0);
	for (int i = 0; i < 60; i++)
		snprintf(text + 15 * i, sizeof(text) - 15 * (size_t)i, "192.0.%d.0/24\n", i + 100);
	import("head", "10.0.0.1\n", GG_DENY);
	import("cut", text, GG_ALLOW);
	import("nul", "10.0.0.3\n", GG_DENY);
	import("good", "10.0.0.4\n", GG_DENY);
	damage(state_dir, "head", "garbage");
	damage(state_dir, "cut", NULL);
	snprintf(command, sizeof(command), "sed -i 's/^10.0.0.3/10.0.0.\\x00/' %s/lists/nul.list",
		 state_dir);
	assert_int_equal(system(command), 0);
	for (int i = 0; i < 3; i++) {
		static const char *const names[] = {"head", "cut", "nul"};

		again();
		assert_string_equal(address("10.0.0.4"), "deny good:1");
		for (int n = 0; n < 3; n++) {
			assert_non_null(listed(names[n]));
			assert_null(listed(names[n])->set);
			assert_true(listed(names[n])->failed);
			snprintf(want, sizeof(want),
				 "%s/lists/%s.list: damaged: renamed to %s.bad; greygate import %s "
				 "FILE, with ",
				 state_dir, names[n], names[n], names[n]);
			assert_memory_equal(listed(names[n])->why, want, strlen(want));
			assert_true(kept_is_aside(scene->lists.kept, names[n]));
		}
		/* What can be read of it still holds. */
		assert_string_equal(in_order(), "cut nul good head ");
		assert_int_equal(listed("cut")->own->verdict, GG_ALLOW);
	}
	import("cut", "10.0.0.2\n", GG_UNKNOWN);
	assert_string_equal(address("10.0.0.2"), "allow cut:1");
	assert_int_equal(listed("cut")->failed, 0);
	assert_int_equal(listing_remove(&scene->lists, &scene->config, "head"), 0);
	again();
	assert_string_equal(address("10.0.0.2"), "allow cut:1");
	assert_string_equal(in_order(), "cut nul good ");
	assert_false(kept_is_aside(scene->lists.kept, "head"));
	snprintf(command, sizeof(command), "rm -r %s", state_dir);
	assert_int_equal(system(command), 0);
}

/* Two that were kept under one number are both in force. */
static void a_number_that_two_have(void **state)
{
	char state_dir[] = "/tmp/greygate-number.XXXXXX", command[200];

	(void)state;
	assert_non_null(mkdtemp(state_dir));
	scene->lists.kept = kept_open(state_dir);
	scene->lists.state_dir = state_dir;
	load(0);
	import("one", "10.0.0.1\n", GG_DENY);
	snprintf(command, sizeof(command),
		 "sed '1s/\"one\"/\"two\"/' %s/lists/one.list >%s/lists/two.list", state_dir,
		 state_dir);
	assert_int_equal(system(command), 0);
	import("three", "10.0.0.3\n", GG_DENY);
	again();
	assert_non_null(listed("one")->set);
	assert_non_null(listed("two")->set);
	assert_string_equal(address("10.0.0.3"), "deny three:1");
	snprintf(command, sizeof(command), "rm -r %s", state_dir);
	assert_int_equal(system(command), 0);
}

/* The directory is made again; what was lost with it, or can't be written, is said. */
static void a_directory_that_was_taken_away(void **state)
{
	char state_dir[] = "/tmp/greygate-taken.XXXXXX", command[100], why[LIST_ERROR];
	struct listing *l = &scene->lists;

	(void)state;
	assert_non_null(mkdtemp(state_dir));
	l->kept = kept_open(state_dir);
	l->state_dir = state_dir;
	load(0);
	import("one", "10.0.0.1\n", GG_DENY);
	import("two", "10.0.0.2\n", GG_DENY);
	assert_string_equal(imported.unkept, "");
	snprintf(command, sizeof(command), "rm -r %s/lists", state_dir);
	assert_int_equal(system(command), 0);
	import("two", "10.0.0.2\n", GG_DENY);
	assert_string_equal(imported.unkept, "");
	assert_null(listing_unkept(l, listed("two"), why));
	assert_non_null(listing_unkept(l, listed("one"), why));
	assert_non_null(strstr(why, "/lists/one.list is gone; import it again"));
	import("one", "10.0.0.1\n", GG_DENY);
	assert_null(listing_unkept(l, listed("one"), why));
	snprintf(command, sizeof(command), "rm -r %s/lists && touch %s/lists", state_dir,
		 state_dir);
	assert_int_equal(system(command), 0);
	import("one", "10.0.0.1\n", GG_DENY);
	assert_non_null(strstr(imported.unkept, "/lists: Not a directory; remove the file that "
						"stands there, and import it again"));
	assert_non_null(listing_unkept(l, listed("one"), why));
	assert_string_equal(why, imported.unkept);
	snprintf(command, sizeof(command), "rm %s/lists", state_dir);
	assert_int_equal(system(command), 0);
	import("one", "10.0.0.1\n", GG_DENY);
	assert_string_equal(imported.unkept, "");
	again();
	assert_string_equal(address("10.0.0.1"), "deny one:1");
	snprintf(command, sizeof(command), "rm -r %s", state_dir);
	assert_int_equal(system(command), 0);
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
	import("feed", "192.0.2.0/24\n", GG_DENY);
	assert_int_equal(try_import("feed", "192.0.2.0/25\n2001:db8::/32\n", GG_DENY, &progress),
			 0);
	assert_true(asked > 0);
	assert_string_equal(address("2001:db8::1"), "deny feed:2");
	/* It was asked for while that went on: nothing more is begun. */
	assert_int_equal(try_import("feed", "10.0.0.1\n", GG_DENY, NULL), -EAGAIN);
	assert_int_equal(listing_lend(l), 0);
	assert_int_equal(try_import("other", "10.0.0.1\n", GG_DENY, NULL), -EAGAIN);
	assert_int_equal(listing_remove(l, &scene->config, "feed"), -EAGAIN);
	assert_string_equal(address("192.0.2.1"), "deny feed:1");
	assert_string_equal(address("192.0.2.200"), "none");
	assert_string_equal(address("10.0.0.1"), "none");
	listing_take_back(l);
	import("other", "10.0.0.1\n", GG_DENY);
	assert_string_equal(address("10.0.0.1"), "deny other:1");
	assert_int_equal(listing_remove(l, &scene->config, "feed"), 0);
	assert_string_equal(address("192.0.2.1"), "none");
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
		cmocka_unit_test_setup_teardown(imported_lists_keep_their_order, begin, end),
		cmocka_unit_test_setup_teardown(what_an_import_changes, begin, end),
		cmocka_unit_test_setup_teardown(what_is_damaged_is_said_and_set_aside, begin, end),
		cmocka_unit_test_setup_teardown(a_number_that_two_have, begin, end),
		cmocka_unit_test_setup_teardown(a_directory_that_was_taken_away, begin, end),
		cmocka_unit_test_setup_teardown(an_import_is_whole_before_the_lists_are_lent, begin,
						end),
		cmocka_unit_test_setup_teardown(nobody_sees_half, begin, end),
	};
	int rc;

	if (!mkdtemp(dir))
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	for (char name = 'a'; name < 'a' + LISTS; name++) {
		char path[64];

		snprintf(path, sizeof(path), "%s/%c", dir, name);
		unlink(path);
	}
	rmdir(dir);
	return rc;
}
