// SPDX-License-Identifier: GPL-2.0-or-later
#include "lists.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "answer.h"

/* One number up to 255; moves *p. -1: none. */
static int octet(const char **p)
{
	int n = 0, digits = 0;

	for (; **p >= '0' && **p <= '9' && digits < 3; digits++)
		n = n * 10 + *(*p)++ - '0';
	return digits && n <= 255 ? n : -1;
}

static int mask(const char **p, struct dnslist_mask *ret)
{
	for (int i = 0; i < 4; i++) {
		int low = 0, high = 255;

		if (i && *(*p)++ != '.')
			return -EINVAL;
		if (**p == '*') {
			++*p;
		} else {
			low = high = octet(p);
			if (**p == '-') {
				++*p;
				high = octet(p);
			}
		}
		if (low < 0 || high < low || (i == 0 && (low != 127 || high != 127)))
			return -EINVAL;
		ret->low[i] = (uint8_t)low;
		ret->high[i] = (uint8_t)high;
	}
	return 0;
}

int dnslist_replies_parse(const char *text, struct dnslist_replies *ret)
{
	struct dnslist_replies r;

	memset(&r, 0, sizeof(r)); /* settings are compared as bytes */
	for (;;) {
		if (r.count == DNSLIST_MASKS || mask(&text, &r.mask[r.count]))
			return -EINVAL;
		r.count++;
		if (!*text)
			break;
		if (*text++ != ',')
			return -EINVAL;
	}
	*ret = r;
	return 0;
}

static bool in_mask(const struct dnslist_mask *m, const uint8_t *a)
{
	for (int i = 0; i < 4; i++) {
		if (a[i] < m->low[i] || a[i] > m->high[i])
			return false;
	}
	return true;
}

static bool refused(const uint8_t *a)
{
	static const uint8_t quota[4] = {127, 0, 0, 255};

	return a[0] != 127 || (a[1] == 255 && a[2] == 255) || !memcmp(a, quota, 4);
}

enum dnslist_says dnslist_read(const struct dnslist_replies *r, const struct dns_answer *a)
{
	static const uint8_t never[4] = {127, 0, 0, 1}; /* RFC 5782 5: must not be listed */
	bool listed = false;
	const uint8_t *data;
	size_t at = 0, len;

	if (a->status == DNS_NONE)
		return DNSLIST_NOT;
	if (a->status != DNS_FOUND)
		return DNSLIST_UNKNOWN;
	while (dns_record(a, &at, &data, &len)) {
		if (len != 4 || refused(data))
			return DNSLIST_REFUSED;
		for (uint32_t i = 0; i < r->count; i++)
			listed |= memcmp(data, never, 4) != 0 && in_mask(&r->mask[i], data);
	}
	return listed ? DNSLIST_LISTED : DNSLIST_NOT;
}
