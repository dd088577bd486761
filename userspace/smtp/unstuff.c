// SPDX-License-Identifier: GPL-2.0-or-later
#include "unstuff.h"

#include <string.h>

bool unstuff(struct unstuff *u, const char **piece, size_t *len, const char **ret_run,
	     size_t *ret_len)
{
	const char *from = *piece, *end = from + *len, *stop;

	if (from < end && *from == '.' && !u->inside) {
		u->inside = true;
		from++;
	}
	*piece = end;
	*len = 0;
	if (from == end)
		return false;
	for (stop = from; (stop = memchr(stop, '.', (size_t)(end - stop))); stop++)
		if (stop > from && stop[-1] == '\n')
			break;
	if (!stop)
		stop = end;
	u->inside = stop[-1] != '\n';
	*piece = stop;
	*len = (size_t)(end - stop);
	*ret_run = from;
	*ret_len = (size_t)(stop - from);
	return true;
}
