// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The manual pages say what the tables of the code say: every key with its range and default,
 * every counter, every reply, every reason, every key of the log, every word of a list. Run from
 * the top of the tree.
 */
#include <greygate/types.h>

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/schema.h"
#include "counters.h"
#include "policy/policy.h"
#include "smtp/smtp.h"

static char *read_whole(const char *path)
{
	char *text = calloc(1, 1 << 20);
	FILE *f = fopen(path, "r");

	assert_non_null(text);
	assert_non_null(f);
	assert_true(fread(text, 1, (1 << 20) - 1, f) > 100);
	fclose(f);
	return text;
}

static char *page(const char *name)
{
	char path[100];

	snprintf(path, sizeof(path), "tools/%s", name);
	return read_whole(path);
}

static const char *must(const char *text, const char *from, const char *what)
{
	const char *at = strstr(from ? from : text, what);

	if (!at)
		fail_msg("the page lacks: %s", what);
	return at;
}

/* The paragraph of a key: from its ".It" to the next one. */
static void key_paragraph(const char *from, char *buf, size_t size)
{
	const char *end = strstr(from + 1, "\n.It "), *over = strstr(from + 1, "\n.El");

	if (!end || (over && over < end))
		end = over;
	assert_non_null(end);
	assert_true((size_t)(end - from) < size);
	memcpy(buf, from, (size_t)(end - from));
	buf[end - from] = 0;
}

/* The paragraph of one key after `at`: where it begins. */
static const char *must_have_key(const char *text, const char *at, const struct schema_key *k)
{
	char paragraph[2000], what[400], allowed[300];

	snprintf(what, sizeof(what), ".It Ic %s\n", k->name);
	at = must(text, at, what);
	key_paragraph(at, paragraph, sizeof(paragraph));
	/* in the page every sentence has a line of its own */
	for (char *p = paragraph; (p = strchr(p, '\n'));)
		*p = ' ';
	must(paragraph, NULL, k->manual);
	snprintf(what, sizeof(what), "Allowed: %s.", kind_allowed(k, allowed, sizeof(allowed)));
	must(paragraph, NULL, what);
	if (k->def) {
		snprintf(what, sizeof(what), "Default: .Ql %s .", k->def);
		must(paragraph, NULL, what);
	}
	assert_int_equal(!strstr(paragraph, "needs a restart"), !!(k->flags & KEY_RELOAD));
	return at;
}

static void keys(void **state)
{
	char *text = page("greygate.conf.5"), what[400];
	const char *at = NULL, *section = "";

	(void)state;
	for (int i = 0; i < schema_count; i++) {
		const struct schema_key *k = &schema[i];

		if (strcmp(k->section, section)) {
			section = k->section;
			snprintf(what, sizeof(what), ".Ss Section %s\n", section);
			at = must(text, at, what);
		}
		at = must_have_key(text, at, k);
	}
	for (int i = 0; i < schema_lists_count; i++) {
		snprintf(what, sizeof(what), ".Ss Section %s\n", schema_lists[i].section);
		at = must(text, at, what);
		for (int n = 0; n < schema_lists[i].key_count; n++)
			if (!(schema_lists[i].keys[n].flags & KEY_LEVEL))
				at = must_have_key(text, at, &schema_lists[i].keys[n]);
	}
	free(text);
}

/* And none that the code does not have. */
static void no_more_keys(void **state)
{
	char *text = page("greygate.conf.5");
	const char *at = text;
	int n = 0;

	(void)state;
	while ((at = strstr(at, "\n.It Ic "))) {
		at++;
		n++;
	}
	for (int i = 0; i < schema_lists_count; i++)
		for (int k = 0; k < schema_lists[i].key_count; k++)
			n -= !(schema_lists[i].keys[k].flags & KEY_LEVEL);
	assert_int_equal(n, schema_count);
	free(text);
}

static void counters(void **state)
{
	static const char *const names[] = {
#define X(name, words) ".It Li " #name "\n" words "\n",
		COUNTERS(X) GG_STATS (X)
#undef X
	};
	static const char *const short_names[] = {
#define X(name, words) #name,
		COUNTERS(X) GG_STATS (X)
#undef X
	};
	char *text = page("greygated.8");

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		must(text, NULL, names[i]);
	/* `greygate stats --json` is one flat object of both tables */
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(short_names[i], short_names[j]);
	}
	free(text);
}

/* How often `what` stands between `from` and `to`. */
static int count(const char *from, const char *to, const char *what)
{
	const char *end = must(from, NULL, to);
	int n = 0;

	while ((from = strstr(from, what)) && from < end) {
		from++;
		n++;
	}
	return n;
}

/* Every one, and none that the code does not have. */
static void replies(void **state)
{
	char *text = page("greygated.8"), what[1000];

	(void)state;
	for (int i = 0; i < REPLY_MAX; i++) {
		const struct smtp_reply_row *r = smtp_reply_row((enum smtp_reply)i);

		snprintf(what, sizeof(what), ".It Li %d%s%s\n%s\n.br\n%s\n", r->code,
			 r->status ? " " : "", r->status ? r->status : "", r->text, r->when);
		must(text, NULL, what);
	}
	assert_int_equal(count(must(text, NULL, ".Sh REPLIES\n"), ".Sh FILES\n", "\n.It Li "),
			 REPLY_MAX);
	free(text);
}

static void reasons(void **state)
{
	char *text = page("greygated.8"), what[100];

	(void)state;
	for (int i = 0; i < REASON_MAX; i++) {
		snprintf(what, sizeof(what), ".It Li %s\n",
			 policy_reason_text((enum policy_reason)i));
		must(text, NULL, what);
	}
	free(text);
}

/* Whether a line ".It Li a , b" of a part of the page has the word among its own. */
static bool listed(const char *part, const char *end, const char *word)
{
	static const char head[] = "\n.It Li ";

	while ((part = strstr(part, head)) && part < end) {
		char line[200], *rest = line, *one;

		part += strlen(head);
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(part, "\n"), part);
		while ((one = strsep(&rest, " ,")))
			if (strcmp(one, word) == 0)
				return true;
	}
	return false;
}

/* Keys and literal reasons that a source writes into lines of the log. */
static int words_of(const char *path, const char *text)
{
	const char *log = must(text, NULL, ".Sh LOG\n"), *why = must(text, log, ".Ss Reasons\n");
	const char *over = must(text, why, "\n.Sh ");
	char *source = read_whole(path);
	int n = 0;

	for (const char *at = source; (at = strstr(at, "log_")); at++) {
		char key[40], reason[40], of[5], to[40];

		if (sscanf(at, "log_%4[a-z](%39[^,()], \"%39[a-z_]\"", of, to, key) != 3)
			continue;
		n++;
		if (!listed(log, why, key))
			fail_msg("%s: the page lacks the key %s", path, key);
		if (sscanf(at, "log_str(%39[^,], \"reason\", \"%39[a-z_]\"", to, reason) == 2 &&
		    !listed(why, over, reason))
			fail_msg("%s: the page lacks the reason %s", path, reason);
	}
	free(source);
	return n;
}

static void log_words(void **state)
{
	char *text = page("greygated.8");
	int n = 0;
	glob_t g;

	(void)state;
	assert_int_equal(glob("userspace/*.c", 0, NULL, &g), 0);
	assert_int_equal(glob("userspace/core/log*.c", GLOB_APPEND, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++)
		n += words_of(g.gl_pathv[i], text);
	assert_true(n > 50);
	globfree(&g);
	free(text);
}

static void actions(void **state)
{
	char *text = page("greygate.1"), what[100];

	(void)state;
	for (const struct word *w = value_actions; w->text; w++) {
		snprintf(what, sizeof(what), ".Cm %s\n", w->text);
		must(text, NULL, what);
	}
	free(text);
}

/* Every package that `make deps` installs has its line in README. */
static void packages(void **state)
{
	char *make = calloc(1, 1 << 16), *readme = calloc(1, 1 << 16), what[100];
	FILE *m = fopen("Makefile", "r"), *r = fopen("README", "r");
	static const char *const lists[] = {"BUILD_DEPS := ", "TEST_DEPS  := "};
	int n = 0;

	(void)state;
	assert_true(m && r);
	assert_true(fread(make, 1, 65535, m) > 0 && fread(readme, 1, 65535, r) > 0);
	for (int i = 0; i < 2; i++) {
		char *list = strstr(make, lists[i]), *save, *word;

		assert_non_null(list);
		list = strdup(list + strlen(lists[i]));
		for (char *p = list; (p = strchr(p, '\n')); p++) {
			if (p[-1] != '\\') {
				*p = 0;
				break;
			}
		}
		for (word = strtok_r(list, " \t\\\n", &save); word;
		     word = strtok_r(NULL, " \t\\\n", &save)) {
			snprintf(what, sizeof(what), " %s ", word);
			must(readme, NULL, what);
			n++;
		}
		free(list);
	}
	assert_true(n > 20);
	fclose(m);
	fclose(r);
	free(make);
	free(readme);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys),     cmocka_unit_test(no_more_keys),
		cmocka_unit_test(counters), cmocka_unit_test(replies),
		cmocka_unit_test(reasons),  cmocka_unit_test(log_words),
		cmocka_unit_test(actions),  cmocka_unit_test(packages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
