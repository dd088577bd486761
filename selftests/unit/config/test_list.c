// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "config/config.h"
#include "config/schema.h"

#define GOOD "listen = {\"127.0.0.1:2525\"}\nbackend = {\"127.0.0.1:25\"}\n"
#define FILE_IN(more) GOOD "list \"a\" {\n file = \"/f\"\n " more "\n}"

static void lists_as_given(void **state)
{
	struct config *c = NULL;
	char err[2000];

	(void)state;
	if (config_parse("F",
			 GOOD
			 "list \"corp-allow\" { file = \"/etc/allow\" verdict = allow }\n"
			 "list 'drop_1.x' { file = \"/drop\" format = spamhaus-drop "
			 "action = drop_new message = \"see https://example.org/\" }\n"
			 "list \"g\" { file = \"/g\" format = postgrey-clients }\n"
			 "list \"s\" { file = \"/s\" format = postscreen-cidr "
			 "message = \"no\" }\n"
			 "list \"p\" { file = \"/p\" format = plain verdict = deny }\n"
			 "list \"d\" { file = \"/d\" format = spamhaus-drop verdict = except }",
			 &c, err, sizeof(err)))
		fail_msg("%s", err);
	assert_int_equal(c->list_count, 6);
	assert_string_equal(c->lists[0].name, "corp-allow");
	assert_string_equal(c->lists[0].file, "/etc/allow");
	assert_int_equal(c->lists[0].format, LIST_CIDR);
	assert_int_equal(config_list_verdict(&c->lists[0]), GG_ALLOW);
	assert_null(c->lists[0].message);
	assert_int_equal(config_list_verdict(&c->lists[1]), GG_DENY);
	assert_int_equal(c->lists[1].action, GG_DROP_NEW);
	assert_string_equal(c->lists[1].message, "see https://example.org/");
	assert_int_equal(config_list_verdict(&c->lists[2]), GG_ALLOW);
	assert_int_equal(config_list_verdict(&c->lists[3]), GG_UNKNOWN);
	assert_int_equal(c->lists[3].action, GG_REJECT);
	assert_int_equal(c->lists[4].format, LIST_CIDR);
	assert_int_equal(config_list_verdict(&c->lists[5]), CONFIG_EXCEPT);
	config_free(&c);
}

static void lists_that_are_wrong(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{GOOD "list \"a\" { }",
		 "F:1: list \"a\" file: missing; for example file = "
		 "\"/etc/greygate/a\"\n"
		 "F:1: list \"a\" verdict: missing; a list of format cidr may "
		 "be for either: allow, deny or except\n"},
		{GOOD "list \"a\" {\n verdict = deny\n}", "F:4: list \"a\" file: missing"},
		{FILE_IN("format = spamd"),
		 "F:5: list \"a\" verdict: missing; a list of format spamd may be"},
		{FILE_IN("format = access verdict = deny"),
		 "F:5: list \"a\" verdict: has no effect: each entry of this format says it"},
		{FILE_IN("verdict = allow\naction = reject"),
		 "F:6: list \"a\" action: has no effect: the list allows; take it away"},
		{FILE_IN("verdict = allow message = \"x\""), "F:5: list \"a\" message: has no"},
		{FILE_IN("format = postgrey-recipients verdict = deny"),
		 "F:5: list \"a\" verdict: deny is not for recipients; allowed is allow"},
		{FILE_IN("format = spamhaus-drop verdict = allow"),
		 "F:5: list \"a\" verdict: allow is not for a list of format spamhaus-drop, which "
		 "names whom to deny; allowed is deny or except"},
		{FILE_IN("verdict = deny message = \"a\tb\""),
		 "F:5: list.message: \"a\tb\": has a character that may not stand in a reply"},
		{FILE_IN("verdict = deny message = \"\""), "F:5: list.message: \"\": empty; "
							   "allowed is words in printable ASCII, "
							   "at most 200"},
		{FILE_IN("format = hosts verdict = deny"),
		 "F:5: list.format: \"hosts\": unknown word; allowed is one of cidr, plain, "
		 "spamd,"},
		{FILE_IN("verdict = maybe"), "F:5: list.verdict: \"maybe\": unknown word"},
		{FILE_IN("verdict = deny file = \"x\""), "F:5: list.file: set already on line 4"},
		{GOOD "list \"a b\" { file = \"/f\" verdict = deny }",
		 "F:3: list: \"a b\": not a name of a list; allowed is up to 31 letters,"},
		{GOOD "list \".\" { file = \"/f\" verdict = deny }",
		 "F:3: list: \".\": not a name of a list; allowed is up to 31 letters, digits, "
		 "dots, "
		 "dashes and underscores, but not . or .., such as"},
		{GOOD "list \"..\" { }", "F:3: list: \"..\": not a name of a list"},
		{GOOD "list \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" { }",
		 "F:3: list: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\": not a name of a list"},
	};
	struct config *c = NULL;
	char err[2000];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!config_parse("F", rows[i].text, &c, err, sizeof(err)))
			fail_msg("%s is taken", rows[i].text);
		if (strncmp(err, rows[i].says, strlen(rows[i].says)) != 0)
			fail_msg("%s: %s", rows[i].text, err);
	}
}

/* The words of the key are those of the readers. */
static void words_of_the_formats(void **state)
{
	const struct schema_list *section = schema_list_find("list");
	const struct word *words = section->keys[1].words;

	(void)state;
	assert_string_equal(section->keys[1].name, "format");
	for (int i = 0; i < LIST_FORMAT_MAX; i++)
		assert_int_equal(word_find(words, list_format_text((enum list_format)i))->value, i);
	for (; words->text; words++) {
		enum list_format f;

		assert_int_equal(list_format_find(words->text, &f), 0);
		assert_int_equal(f, words->value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_as_given),
		cmocka_unit_test(lists_that_are_wrong),
		cmocka_unit_test(words_of_the_formats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
