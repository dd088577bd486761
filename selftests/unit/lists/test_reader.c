// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "lists/internal.h"
#include "selftests/unit/lists/dump.h"

static void words_of_formats(void **state)
{
	enum list_format f;
	char words[200];

	(void)state;
	for (int i = 0; i < LIST_FORMAT_MAX; i++) {
		assert_int_equal(list_format_find(list_format_text((enum list_format)i), &f), 0);
		assert_int_equal(f, i);
	}
	assert_null(list_format_text(LIST_FORMAT_MAX));
	assert_int_equal(list_format_find("plain", &f), 0);
	assert_int_equal(f, LIST_CIDR);
	assert_int_equal(list_format_find("hosts", &f), -EINVAL);
	assert_string_equal(list_formats(words, sizeof(words)),
			    "cidr, spamd, spamhaus-drop, postgrey-clients, postgrey-recipients, "
			    "sqlgrey-clients-ip, sqlgrey-clients-fqdn, postscreen-cidr, access");
}

static void more_bad_than_good(void **state)
{
	static struct dump d;
	static const char half[] = "x\n192.0.2.1\n", most[] = "x\n192.0.2.1\ny\n";

	(void)state;
	assert_int_equal(dump(&d, LIST_CIDR, half, strlen(half)), 0);
	assert_int_equal(d.report.entries, 1);
	assert_int_equal(d.report.bad, 1);
	assert_int_equal(d.report.lines, 2);
	assert_int_equal(dump(&d, LIST_CIDR, most, strlen(most)), -EINVAL);
	assert_non_null(strstr(d.errors, "f:3: 2 lines are bad and 1 entries good: not a list of "
					 "format cidr\n"));
}

static void nul_byte(void **state)
{
	static const char text[] = "192.0.2.1\n192.0.2\0.2\n";
	static struct dump d;

	(void)state;
	assert_int_equal(dump(&d, LIST_CIDR, text, sizeof(text) - 1), -EINVAL);
	assert_string_equal(d.errors, "f:2: a NUL byte; the file must be plain text\n");
	assert_int_equal(d.report.entries, 0);
}

static void longest_line(void **state)
{
	static char text[2 * LINE_LONGEST + 20];
	static struct dump d;

	(void)state;
	memset(text, 'x', LINE_LONGEST);
	memcpy(text, "a.example REJECT ", 17);
	snprintf(text + LINE_LONGEST, 20, "\nb.example OK");
	assert_int_equal(dump(&d, LIST_ACCESS, text, strlen(text)), 0);
	assert_string_equal(d.text, "2:+domain b.example\n");
	assert_int_equal(strncmp(d.errors, "f:1: \"\": longer than 4095 bytes\n", 33), 0);

	/* One byte less, with a NUL it fills the buffer. */
	memmove(text + LINE_LONGEST - 1, text + LINE_LONGEST, 20);
	assert_int_equal(dump(&d, LIST_ACCESS, text, strlen(text)), 0);
	assert_non_null(strstr(d.errors, "longer than 200 bytes\n"));

	/* Too long by its continuation: it doesn't count without it. */
	memcpy(text + LINE_LONGEST - 1, "\n  more\nb.example OK", 21);
	assert_int_equal(dump(&d, LIST_ACCESS, text, strlen(text)), 0);
	assert_string_equal(d.text, "3:+domain b.example\n");
	assert_int_equal(d.report.bad, 1);
}

/* However many complaints there are, the last one says why the file is refused. */
static void complaints_beyond_the_buffer(void **state)
{
	static char text[20000], errors[2 * LIST_ERROR];
	struct list_report r = {.errors = errors, .size = sizeof(errors)};
	static struct dump d;

	(void)state;
	for (size_t i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "x\n", 3);
	assert_int_equal(list_read("f", text, strlen(text), LIST_CIDR, dump_entry, &d, &r),
			 -EINVAL);
	assert_int_equal(r.bad, sizeof(text) / 2 - 1);
	assert_true(strlen(errors) == r.len && r.len < sizeof(errors));
	assert_non_null(strstr(errors, "not a list of format cidr\n"));
	assert_int_equal(strncmp(errors, "f:1: \"x\"", 8), 0);

	r = (struct list_report){0};
	assert_int_equal(list_read("f", text, strlen(text), LIST_CIDR, dump_entry, &d, &r),
			 -EINVAL);
}

static int refuse_two(const struct list_entry *e, void *arg, const char **ret_why)
{
	(void)arg;
	*ret_why = "no twos; allowed is all else";
	return e->line == 2 ? -EINVAL : e->line == 4 ? -ENOSPC : 0;
}

static void words_of_the_sink(void **state)
{
	char errors[2 * LIST_ERROR];
	struct list_report r = {.errors = errors, .size = sizeof(errors)};
	static const char text[] = "192.0.2.1\n192.0.2.0-192.0.2.2\n192.0.2.4\n";

	(void)state;
	assert_int_equal(list_read("f", text, strlen(text), LIST_CIDR, refuse_two, NULL, &r), 0);
	assert_int_equal(r.entries, 2);
	assert_int_equal(r.bad, 1); /* two prefixes of one line */
	assert_string_equal(errors, "f:2: \"192.0.2.0/31\": no twos; allowed is all else\n");
	assert_int_equal(list_read("f", "\n\n\n::1", 6, LIST_CIDR, refuse_two, NULL, &r), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_formats),
		cmocka_unit_test(more_bad_than_good),
		cmocka_unit_test(nul_byte),
		cmocka_unit_test(longest_line),
		cmocka_unit_test(complaints_beyond_the_buffer),
		cmocka_unit_test(words_of_the_sink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
