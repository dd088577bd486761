// SPDX-License-Identifier: GPL-2.0-or-later
#include "correspondent.h"

#include <stdbool.h>
#include <string.h>

#define BLANKS " \t\r\n"

/* What stands between two strings, cut out of the line; NULL: they don't. */
static char *between(char *line, const char *before, const char *after)
{
	char *from = strstr(line, before), *to;

	if (!from)
		return NULL;
	from += strlen(before);
	to = strstr(from, after);
	return to && to != from ? from : NULL;
}

/* Whether the line is of a delivery that succeeded. By its tag, which ends at the first colon and
 * blank: what comes after it a client may have said, and other programs log that with blanks and
 * all. */
static bool is_sent(const char *line)
{
	const char *end = strstr(line, ": "), *tag = strstr(line, "/smtp[");
	const char *status = strstr(line, " status=");

	return end && tag && tag < end && end[-1] == ']' && status &&
	       !strncmp(status, " status=sent ", 13);
}

int correspondent_names(char *line, char *ret[CORRESPONDENT_NAMES])
{
	char *to, *host, *end;
	int n = 0;

	line += strspn(line, BLANKS);
	end = line + strcspn(line, BLANKS);
	if (end == line || *line == '#')
		return 0;
	if (!end[strspn(end, BLANKS)]) {
		*end = '\0';
		ret[0] = line;
		return 1;
	}
	if (!is_sent(line))
		return 0;
	to = between(line, " to=<", ">,");
	host = between(line, " relay=", "]:25,");
	if (host && strcspn(host, " ,") < (size_t)(strstr(host, "]:25,") - host))
		host = NULL; /* of another one's relay */
	if (host)
		host = between(host, "[", "]:25,");
	if (host && (!strncmp(host, "127.", 4) || !strncmp(host, "::1]", 4)))
		host = NULL; /* a filter on this machine */
	if (to) {
		*strchr(to, '>') = '\0';
		ret[n++] = to;
	}
	if (host) {
		*strchr(host, ']') = '\0';
		ret[n++] = host;
	}
	return n;
}
