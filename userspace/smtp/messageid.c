// SPDX-License-Identifier: GPL-2.0-or-later
#include "messageid.h"

#include <string.h>

enum {
	LINE,  /* first byte of a line; all of the name so far has fitted */
	NAME,  /* within the name */
	COLON, /* behind the whole name: blanks, then a colon */
	VALUE, /* behind the colon, nothing but blanks yet */
	REST,  /* of a line that is another field's */
	FOUND,
	OVER, /* the header has ended without one */
};

static const char name[] = "message-id";

static uint8_t step(struct messageid *m, char ch)
{
	bool blank = ch == ' ' || ch == '\t', end = ch == '\n' || ch == '\r';

	switch (m->state) {
	case LINE:
		m->at = 0;
		if (end) /* an empty line */
			return OVER;
		/* fall through */
	case NAME:
		if ((ch | 0x20) != (name[m->at] | 0x20))
			return end && ch == '\n' ? LINE : REST;
		return name[++m->at] ? NAME : COLON;
	case COLON:
		return ch == ':' ? VALUE : blank ? COLON : ch == '\n' ? LINE : REST;
	case VALUE:
		return blank || ch == '\r' ? VALUE : ch == '\n' ? LINE : FOUND;
	case REST:
		return ch == '\n' ? LINE : REST;
	default:
		return m->state;
	}
}

void messageid_scan(struct messageid *m, const char *buf, size_t len)
{
	for (size_t i = 0; i < len && m->state < FOUND; i++) {
		const char *next;

		if (m->state == REST) {
			next = memchr(buf + i, '\n', len - i);
			if (!next)
				return;
			i = (size_t)(next - buf);
		}
		m->state = step(m, buf[i]);
	}
}

bool messageid_found(const struct messageid *m)
{
	return m->state == FOUND;
}
