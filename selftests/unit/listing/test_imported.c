// SPDX-License-Identifier: GPL-2.0-or-later
/* Lists that came by greygate import: what they change, and what a start finds of them. */
#include "scene.h"

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

	assert_int_equal(listing_begin(&scene->lists, wait_never, NULL), 0);
	assert_int_equal(listing_import(&scene->lists, &what, &imported), 0);
	listing_end(&scene->lists);
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
	load(0);
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
	assert_int_equal(take_out("old"), 0);
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
	assert_int_equal(take_out("except"), 0);
	import("except", "10.0.0.1\n", (enum gg_verdict)CONFIG_EXCEPT);
	for (int i = 0; i < 2; i++) {
		assert_string_equal(in_order(), "feed other except ");
		assert_string_equal(address("10.0.0.1"), "deny feed:1");
		assert_string_equal(address("2001:db8::1"), "deny feed:2");
		again();
	}
	/* What it takes from is the list before it, which is another one now. */
	assert_int_equal(take_out("other"), 0);
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
	assert_int_equal(take_out("head"), 0);
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
	/* What can't be removed goes out of force, and that it comes back is said. */
	snprintf(command, sizeof(command), "cd %s/lists && rm one.list && mkdir one.list",
		 state_dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(take_out("one"), 0);
	assert_non_null(strstr(scene->kept, "comes back at the next start: "));
	assert_non_null(strstr(scene->kept, "/lists: Is a directory; "));
	assert_string_equal(address("10.0.0.1"), "none");
	import("two", "10.0.0.2\n", GG_DENY);
	assert_int_equal(take_out("two"), 0);
	assert_string_equal(scene->kept, "");
	snprintf(command, sizeof(command), "rm -r %s", state_dir);
	assert_int_equal(system(command), 0);
}

/* What an import leaves as it is, is so by the settings of the last load: it may have been asked
 * for before that, and have waited for its turn. */
static void the_settings_of_the_last_load(void **state)
{
	static const char *const others[] = {"10.0.0.1", "2001:db8::1"};

	(void)state;
	write_file(0, "10.0.0.0/24\n");
	write_file(1, "10.0.0.1\n2001:db8::1\n");
	for (int i = 0; i < 2; i++) {
		load(1);
		import("feed", "10.0.1.0/24\n", GG_DENY);
		load(2);
		if (i)
			assert_int_equal(take_out("feed"), 0);
		else
			import("feed", "10.0.2.0/24\n", GG_DENY);
		assert_string_equal(address(others[0]), "allow b:1");
		assert_string_equal(address(others[1]), "allow b:2");
		assert_string_equal(address("10.0.2.1"), i ? "none" : "deny feed:1");
	}
	/* What they say of a list nobody else says. */
	assert_int_equal(try_import("b", "10.0.3.0/24\n", GG_DENY, NULL), -EEXIST);
	assert_string_equal(address(others[0]), "allow b:1");
	import("b", "10.0.3.0/24\n", GG_ALLOW);
	assert_string_equal(address("10.0.3.1"), "allow b:1");
}

/* Nobody is told of a list that an import has not yet put in force. */
static void a_list_on_its_way(void **state)
{
	(void)state;
	load(0);
	import("feed", "10.0.0.1\n2001:db8::1\n", GG_DENY);
	memcpy(scene->lists.lists[LISTING_MAX - 1].name, "coming", sizeof("coming"));
	assert_string_equal(in_order(), "feed ");
	import("coming", "10.0.0.2\n", GG_DENY);
	assert_string_equal(in_order(), "coming feed ");
}

/* What looks like a fetch that broke off is put in force, and said. */
static void half_a_list(void **state)
{
	enum { MANY = 2000 };
	enum { SIZE = MANY * 20 };
	char *text = malloc(SIZE), *end = text, *half = NULL;

	(void)state;
	load(0);
	for (int i = 0; i < MANY; i++) {
		half = i == MANY / 2 - 1 ? end : half;
		end += snprintf(end, (size_t)(text + SIZE - end), "10.%d.%d.1\n", i / 256, i % 256);
	}
	import("feed", text, GG_DENY);
	assert_null(imported.cut);
	*--end = 0;
	import("feed", text, GG_DENY);
	assert_string_equal(imported.cut, "cut off in its last line");
	*half = 0;
	import("feed", text, GG_DENY);
	assert_string_equal(imported.cut, "has lost more than half of its entries");
	import("feed", text, GG_DENY);
	assert_null(imported.cut);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(imported_lists_keep_their_order, begin, end),
		cmocka_unit_test_setup_teardown(what_an_import_changes, begin, end),
		cmocka_unit_test_setup_teardown(what_is_damaged_is_said_and_set_aside, begin, end),
		cmocka_unit_test_setup_teardown(a_number_that_two_have, begin, end),
		cmocka_unit_test_setup_teardown(a_directory_that_was_taken_away, begin, end),
		cmocka_unit_test_setup_teardown(the_settings_of_the_last_load, begin, end),
		cmocka_unit_test_setup_teardown(a_list_on_its_way, begin, end),
		cmocka_unit_test_setup_teardown(half_a_list, begin, end),
	};

	return cmocka_run_group_tests(tests, directory_make, directory_remove);
}
