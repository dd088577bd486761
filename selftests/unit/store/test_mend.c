// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "store/mend.h"

static void every_likely_error_has_its_mend(void **state)
{
	static const struct {
		int err;
		const char *word;
	} rows[] = {
		{ENOSPC, "free space"}, {EROFS, "read-write"},  {EACCES, "chown"},
		{EIO, "dmesg"},         {ENOTDIR, "directory"}, {ENOENT, "parent"},
		{EUCLEAN, "restart"},   {EFBIG, "limit"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_non_null(strstr(store_mend(-rows[i].err), rows[i].word));
	assert_string_equal(store_mend(-EDOM), "see the system log");
	assert_string_equal(store_mend(0), "see the system log");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_likely_error_has_its_mend),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
