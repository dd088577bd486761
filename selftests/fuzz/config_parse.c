// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The configuration's text: it is either taken whole or refused, with complaints that name their
 * line; what was taken can be read again to the same, and nothing is left behind.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

#define LONGEST 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool truth)
{
	if (!truth)
		abort();
}

/* "F:LINE: words" each, lines that are there. */
static void check_complaints(const char *err, size_t lines)
{
	demand(*err);
	while (*err) {
		char *end;
		unsigned long line;

		demand(!strncmp(err, "F:", 2) && isdigit((unsigned char)err[2]));
		line = strtoul(err + 2, &end, 10);
		demand(line >= 1 && line <= lines && !strncmp(end, ": ", 2) && end[2]);
		err = strchr(err, '\n');
		demand(err);
		err++;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config untouched;
	struct config *c = &untouched, *again;
	char text[LONGEST + 1], err[8192];
	size_t lines = 1;
	int rc;

	if (size > LONGEST || memchr(data, '\0', size))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	for (size_t i = 0; i < size; i++)
		lines += text[i] == '\n';
	err[0] = '\0';
	rc = config_parse("F", text, &c, err, sizeof(err));
	if (rc) {
		demand(rc == -EINVAL && c == &untouched);
		check_complaints(err, lines);
		return 0;
	}
	demand(c != &untouched && config_parse("F", text, &again, err, sizeof(err)) == 0);
	demand(!config_needs_restart(c, again));
	config_free(&again);
	config_free(&c);
	return 0;
}
