// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "smtp/messageid.h"

static bool found(const char *text, size_t piece)
{
	struct messageid m = {0};
	size_t len = strlen(text);

	for (size_t at = 0; at < len; at += piece) {
		size_t n = len - at < piece ? len - at : piece;
		char *exact = malloc(n);

		memcpy(exact, text + at, n);
		messageid_scan(&m, exact, n);
		free(exact);
	}
	return messageid_found(&m);
}

static void only_a_field_of_the_header_counts(void **state)
{
	static const struct {
		const char *text;
		bool found;
	} rows[] = {
		{"Message-ID: <a@b>\r\n\r\nhi\r\n.\r\n", true},
		{"From: x\r\nmessage-id:<a@b>\r\n\r\n", true},
		{"From: x\r\nMESSAGE-ID : <a@b>\r\n", true},
		{"Message-Id:\r\n <a@b>\r\n", false}, /* folded: nothing on its line */
		{"Message-Id:\r\n\r\n", false},
		{"Message-Id:   \r\nFrom: x\r\n\r\n", false},
		{"From: x\r\n\r\nMessage-ID: <a@b>\r\n.\r\n", false},
		{"\r\nMessage-ID: <a@b>\r\n", false},
		{"X-Message-ID: <a@b>\r\n\r\n", false},
		{"Message-IDs: <a@b>\r\n\r\n", false},
		{"Message-I\r\nD: x\r\n\r\n", false},
		{"Message-ID\r\n: x\r\n\r\n", false},
		{"Subject: Message-ID: <a@b>\r\n\r\n", false},
		{"Subject: x\r\n Message-ID: <a@b>\r\n\r\n", false},
		{"Resent-Message-ID: x\r\nMMessage-ID: x\r\nMessage-ID: x\r\n\r\n", true},
		{"", false},
		{".\r\n", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t piece = 1; piece < 60; piece++)
			if (found(rows[i].text, piece) != rows[i].found)
				fail_msg("row %zu in pieces of %zu", i, piece);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_field_of_the_header_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
