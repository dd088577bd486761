// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "rcpt.h"

#define TEXT 4 /* where it begins in a line, behind code and hyphen or space */

/* Third parts of 5.SUBJECT.x that speak of the recipient; the rest of a subject does not. */
static const struct {
	int subject, detail; /* detail -1: any other */
	bool unknown;
} table[] = {
	{1, 7, false}, {1, 8, false}, {1, -1, true}, {2, 1, true}, {4, 1, true},
};

static const int bare[] = {550, 551, 553}; /* codes that say it without a status */

/* The status in the last line of the reply; false: there is none. */
static bool status(const char *reply, int *ret_subject, int *ret_detail)
{
	const char *line = reply, *next;

	while ((next = strchr(line, '\n')) && next[1])
		line = next + 1;
	return strlen(line) > TEXT &&
	       sscanf(line + TEXT, "5.%3d.%3d", ret_subject, ret_detail) == 2;
}

enum rcpt_says rcpt_says(int code, const char *reply)
{
	int subject, detail;

	if (code / 100 == 2)
		return RCPT_VALID;
	if (code / 100 != 5)
		return RCPT_UNCLEAR;
	if (!status(reply, &subject, &detail)) {
		for (size_t i = 0; i < sizeof(bare) / sizeof(bare[0]); i++)
			if (code == bare[i])
				return RCPT_UNKNOWN;
		return RCPT_UNCLEAR;
	}
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].subject == subject &&
		    (table[i].detail < 0 || table[i].detail == detail))
			return table[i].unknown ? RCPT_UNKNOWN : RCPT_UNCLEAR;
	return RCPT_UNCLEAR;
}
