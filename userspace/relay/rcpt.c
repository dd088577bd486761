// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "rcpt.h"

#define STATUS 16 /* longer than any enhanced status */

/* Third parts of 5.SUBJECT.x that speak of the recipient; the rest of a subject does not. */
static const struct {
	int subject, detail; /* detail -1: any other */
	bool unknown;
} table[] = {
	{1, 7, false}, {1, 8, false}, {1, -1, true}, {2, 1, true}, {4, 1, true},
};

static const int bare[] = {550, 551, 553}; /* codes that say it without a status */

/* The status in the last line of the reply; false: there is none. */
static bool status(const struct upstream *u, int *ret_subject, int *ret_detail)
{
	char text[STATUS] = "", after;
	const char *line;
	size_t at = 0, len = 0;

	while (answer_line(u, &at, &line, &len))
		snprintf(text, sizeof(text), "%.*s", len < STATUS ? (int)len : STATUS - 1, line);
	return sscanf(text, "5.%3d.%3d%c", ret_subject, ret_detail, &after) >= 2;
}

enum rcpt_says rcpt_says(const struct upstream *u)
{
	int subject, detail;

	if (u->code / 100 == 2)
		return RCPT_VALID;
	if (u->code / 100 != 5)
		return RCPT_UNCLEAR;
	if (!status(u, &subject, &detail)) {
		for (size_t i = 0; i < sizeof(bare) / sizeof(bare[0]); i++)
			if (u->code == bare[i])
				return RCPT_UNKNOWN;
		return RCPT_UNCLEAR;
	}
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].subject == subject &&
		    (table[i].detail < 0 || table[i].detail == detail))
			return table[i].unknown ? RCPT_UNKNOWN : RCPT_UNCLEAR;
	return RCPT_UNCLEAR;
}
