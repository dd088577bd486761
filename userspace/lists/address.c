// SPDX-License-Identifier: GPL-2.0-or-later
/* Parts of addresses, ranges, and what lies around a network. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define MAPPED_BITS 96

int address_octets(const char *text, struct prefix *ret)
{
	struct addr a = {.b = {[10] = 0xff, [11] = 0xff}};
	int octets = 0;

	while (*text) {
		unsigned long n;
		char *end;

		if (*text < '0' || *text > '9' || octets == 4)
			return 0;
		n = strtoul(text, &end, 10);
		if (n > 255 || end - text > 3 || (*end && *end != '.'))
			return 0;
		a.b[12 + octets++] = (uint8_t)n;
		text = *end ? end + 1 : end;
	}
	if (octets)
		*ret = addr_mask(&a, (uint8_t)(MAPPED_BITS + 8 * octets));
	return octets;
}

int address_loose(const char *text, struct prefix *ret)
{
	char host[ADDR_TEXT];
	const char *slash = strchrnul(text, '/');
	size_t len = (size_t)(slash - text);
	unsigned long bits = 128;
	struct prefix p;
	struct addr a;
	bool quad;
	char *end;

	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = 0;
	if (addr_parse(host, &a))
		return -EINVAL;
	quad = !strchr(host, ':');
	if (*slash) {
		if (slash[1] < '0' || slash[1] > '9')
			return -EINVAL;
		bits = strtoul(slash + 1, &end, 10);
		if (*end || end - slash > 4 || bits > (quad ? 32 : 128))
			return -EINVAL;
		bits += quad ? MAPPED_BITS : 0;
	}
	p = addr_mask(&a, (uint8_t)bits);
	if (!quad && prefix_is_all4(&p))
		return -ERANGE;
	*ret = p;
	return 0;
}

static struct addr last_of(const struct prefix *p)
{
	struct addr a = p->addr;

	for (int bit = p->len; bit < 128; bit++)
		a.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return a;
}

int address_range(struct addr from, const struct addr *to,
		  int (*give)(struct reading *r, const struct prefix *p), struct reading *r)
{
	int rc;

	for (;;) {
		uint8_t len = addr_is4(&from) ? MAPPED_BITS : 0;
		struct prefix p = addr_mask(&from, len);
		struct addr last = last_of(&p);

		while (!addr_eq(&p.addr, &from) || memcmp(&last, to, sizeof(last)) > 0) {
			p = addr_mask(&from, ++len);
			last = last_of(&p);
		}
		rc = give(r, &p);
		if (rc || addr_eq(&last, to))
			return rc;
		for (int i = 15; i >= 0 && !++last.b[i]; i--)
			;
		from = last;
	}
}

int address_around(const struct prefix *p, struct prefix ret[128])
{
	int n = 0;

	/* At each bit of its length, the half that it doesn't lie in. */
	for (int bit = addr_is4(&p->addr) ? MAPPED_BITS : 0; bit < p->len; bit++) {
		struct addr a = p->addr;

		a.b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		ret[n] = addr_mask(&a, (uint8_t)(bit + 1));
		n += bit >= MAPPED_BITS || !prefix_is_all4(&ret[n]);
	}
	return n;
}

const struct prefix *address_common(const struct prefix *a, const struct prefix *b)
{
	const struct prefix *wide = a->len <= b->len ? a : b;
	const struct prefix *narrow = wide == a ? b : a;

	return prefix_holds(wide, &narrow->addr) ? narrow : NULL;
}
