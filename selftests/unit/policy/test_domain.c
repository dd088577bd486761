// SPDX-License-Identifier: GPL-2.0-or-later
/* What counts as one organisation, beside libpsl with the list that greygate was built with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <libpsl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/idn.h"
#include "policy/domain.c"

#define NAME 512

static psl_ctx_t *list;
static char **names; /* of the rules, in all forms, without "!" and "*." */
static size_t count;

static void keep(const char *name)
{
	if (count % 1024 == 0)
		names = realloc(names, (count + 1024) * sizeof(*names));
	assert_non_null(names);
	names[count] = strdup(name);
	assert_non_null(names[count++]);
}

static int open_list(void **state)
{
	FILE *f = fopen(SUFFIX_LIST, "r");
	char line[NAME], ascii[NAME];

	(void)state;
	list = psl_load_file(SUFFIX_LIST);
	if (!f || !list)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		const char *name = line;

		line[strcspn(line, " \t\r\n")] = '\0';
		if (!*line || !strncmp(line, "//", 2))
			continue;
		name += *name == '!' ? 1 : !strncmp(name, "*.", 2) ? 2 : 0;
		keep(name);
		if (!idn_ascii(name, ascii, sizeof(ascii)))
			return -1;
		if (strcmp(name, ascii) != 0)
			keep(ascii);
	}
	return fclose(f);
}

static int close_list(void **state)
{
	(void)state;
	psl_free(list);
	while (count)
		free(names[--count]);
	free(names);
	return 0;
}

static void same_as_libpsl(const char *name)
{
	const char *ours = policy_organisation(name), *theirs = psl_registrable_domain(list, name);

	if (ours != theirs)
		fail_msg("%s: %s, not %s", name, ours ? ours : "none", theirs ? theirs : "none");
}

static void every_rule_as_libpsl_has_it(void **state)
{
	static const char *const before[] = {"", "a.", "b.a.", "c.b.a.", "a", "a-"};
	char name[NAME];

	(void)state;
	assert_in_range(count, psl_suffix_count(list), 2 * (size_t)psl_suffix_count(list));
	for (size_t i = 0; i < count; i++) {
		const char *dot = names[i];

		for (size_t b = 0; b < sizeof(before) / sizeof(before[0]); b++) {
			snprintf(name, sizeof(name), "%s%s", before[b], names[i]);
			same_as_libpsl(name);
		}
		while ((dot = strchr(dot, '.'))) {
			dot++;
			same_as_libpsl(dot);
			snprintf(name, sizeof(name), "a.%s", dot);
			same_as_libpsl(name);
		}
		snprintf(name, sizeof(name), "b.a.%.*s", (int)strlen(names[i]) - 1, names[i]);
		same_as_libpsl(name);
	}
}

static uint32_t next_number(void)
{
	static uint64_t seed = 20260105;

	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33);
}

/* A label of a rule, or letters. */
static int label(char *ret, size_t size)
{
	const char *from = names[next_number() % count], *dot;

	if (next_number() % 4 == 0)
		return snprintf(ret, size, "%c%x", 'a' + (int)(next_number() % 26),
				next_number() % 4096);
	while (next_number() % 2 && (dot = strchr(from, '.')))
		from = dot + 1;
	return snprintf(ret, size, "%.*s", (int)strcspn(from, "."), from);
}

static void random_names_as_libpsl_has_them(void **state)
{
	char name[NAME];

	(void)state;
	for (int i = 0; i < 200000; i++) {
		size_t at = 0;

		for (uint32_t n = next_number() % 5; n; n--) {
			at += (size_t)label(name + at, 100);
			name[at++] = '.';
		}
		snprintf(name + at, sizeof(name) - at, "%s", names[next_number() % count]);
		same_as_libpsl(name);
	}
}

static void organisations(void **state)
{
	static const struct {
		const char *name, *organisation; /* NULL: none */
	} rows[] = {
		{"example.com", "example.com"},
		{"mx1.mail.example.com", "example.com"},
		{"example.co.uk", "example.co.uk"},
		{"mx.example.co.uk", "example.co.uk"},
		{"co.uk", NULL},
		{"com", NULL},
		{"mx.example", "mx.example"},
		{"example", NULL},
		{"mx.host.ck", "mx.host.ck"},
		{"host.ck", NULL},
		{"www.ck", "www.ck"},
		{"mx.www.ck", "www.ck"},
		{"mx.city.kobe.jp", "city.kobe.jp"},
		{"a.公司.cn", "a.公司.cn"},
		{"a.xn--55qx5d.cn", "a.xn--55qx5d.cn"},
		{"xn--55qx5d.cn", NULL},
		{"", NULL},
		{".", NULL},
		{".com", NULL},
		{"..com", NULL},
		{"a..com", NULL},
		{"example.com.", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *got = policy_organisation(rows[i].name);

		if (rows[i].organisation)
			assert_string_equal(got ? got : "none", rows[i].organisation);
		else if (got)
			fail_msg("%s: %s", rows[i].name, got);
	}
}

/* A label longer than the table can say is none of its. */
static void long_labels(void **state)
{
	char name[2 * UINT8_MAX + 10];

	(void)state;
	for (int len = UINT8_MAX - 1; len < UINT8_MAX + 10; len++) {
		snprintf(name, sizeof(name), "a.%0*d.%0*d", len, 0, len, 1);
		assert_ptr_equal(policy_organisation(name), name + 2);
		snprintf(name, sizeof(name), "%0*dcom", 256, 0);
		assert_null(policy_organisation(name));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule_as_libpsl_has_it),
		cmocka_unit_test(random_names_as_libpsl_has_them),
		cmocka_unit_test(organisations),
		cmocka_unit_test(long_labels),
	};

	return cmocka_run_group_tests(tests, open_list, close_list);
}
