// SPDX-License-Identifier: GPL-2.0-or-later
#include "answer.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "spf.h"

#define HEADER 12
#define CLASS_IN 1
#define TYPE_CNAME 5
#define TYPE_SOA 6
#define ALIASES 8 /* more in a row are a loop or an attack */
#define JUMPS 32  /* compression pointers in one name */
#define RCODE_NXDOMAIN 3

struct reader {
	const uint8_t *msg;
	size_t len, at;
};

struct rr {
	char owner[DNS_NAME];
	bool named; /* owner could be written as text */
	uint16_t type, class;
	uint32_t ttl;
	size_t data, data_len; /* in the message */
};

bool dns_record(const struct dns_answer *a, size_t *at, const uint8_t **data, size_t *len)
{
	if (*at + 2 > a->len)
		return false;
	*len = (size_t)a->data[*at] << 8 | a->data[*at + 1];
	*data = a->data + *at + 2;
	*at += 2 + *len;
	return *at <= a->len;
}

bool dns_record_add(struct dns_answer *a, const void *data, size_t len)
{
	if (len > UINT16_MAX || a->len + 2 + len > sizeof(a->data) || a->count == UINT16_MAX)
		return false;
	a->data[a->len] = (uint8_t)(len >> 8);
	a->data[a->len + 1] = (uint8_t)len;
	if (len)
		memcpy(a->data + a->len + 2, data, len);
	a->len += (uint32_t)(2 + len);
	a->count++;
	return true;
}

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* Reads the name at r->at and moves behind it. *ret_text tells whether it can be written as text.
 * -EBADMSG. */
static int read_name(struct reader *r, char ret[DNS_NAME], bool *ret_text)
{
	size_t at = r->at, out = 0;
	bool jumped = false;
	int jumps = 0;

	*ret_text = true;
	for (;;) {
		unsigned n;

		if (at >= r->len)
			return -EBADMSG;
		n = r->msg[at];
		if ((n & 0xc0) == 0xc0) {
			if (at + 2 > r->len || ++jumps > JUMPS)
				return -EBADMSG;
			if (!jumped)
				r->at = at + 2;
			jumped = true;
			at = get16(r->msg + at) & 0x3fff;
			continue;
		}
		if (n & 0xc0 || at + 1 + n > r->len)
			return -EBADMSG;
		at++;
		if (!n)
			break;
		if (out + n + (out > 0) >= DNS_NAME)
			return -EBADMSG;
		if (out)
			ret[out++] = '.';
		for (unsigned i = 0; i < n; i++) {
			char c = (char)r->msg[at + i];

			if (c == '.' || c == 0)
				*ret_text = false;
			ret[out++] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
		}
		at += n;
	}
	ret[out] = 0;
	if (!jumped)
		r->at = at;
	return 0;
}

static int read_rr(struct reader *r, struct rr *ret)
{
	int rc = read_name(r, ret->owner, &ret->named);

	if (rc)
		return rc;
	if (r->at + 10 > r->len)
		return -EBADMSG;
	ret->type = (uint16_t)get16(r->msg + r->at);
	ret->class = (uint16_t)get16(r->msg + r->at + 2);
	ret->ttl = get32(r->msg + r->at + 4);
	if (ret->ttl > INT32_MAX)
		ret->ttl = 0; /* RFC 2181 8 */
	ret->data_len = get16(r->msg + r->at + 8);
	ret->data = r->at + 10;
	if (ret->data + ret->data_len > r->len)
		return -EBADMSG;
	r->at = ret->data + ret->data_len;
	return 0;
}

/* The texts and the names that are kept, and the addresses of the longest message. */
_Static_assert(2 * (SPF_TEXT + 3) + 10 <= DNS_DATA, "room for texts");
_Static_assert(DNS_NAMES *(2 + 2 + DNS_NAME) <= DNS_DATA, "room for names");
_Static_assert(DNS_MESSAGE / 16 * 6 <= DNS_DATA, "room for IPv4 addresses");

static void add(struct dns_answer *a, const void *data, size_t len)
{
	bool fits = dns_record_add(a, data, len);

	assert(fits);
	(void)fits;
}

/* The record's data as struct dns_answer keeps it. -EBADMSG. */
static int add_rr(const struct reader *r, const struct rr *rr, struct dns_answer *a)
{
	struct reader in = {r->msg, rr->data + rr->data_len, rr->data};
	uint8_t joined[UINT16_MAX];
	char name[DNS_NAME];
	size_t len = 0, skip = rr->type == DNS_MX ? 2 : 0;
	bool text;

	switch (rr->type) {
	case DNS_A:
	case DNS_AAAA:
		if (rr->data_len != (rr->type == DNS_A ? 4u : 16u))
			return -EBADMSG;
		add(a, r->msg + rr->data, rr->data_len);
		return 0;
	case DNS_TXT:
		while (in.at < in.len) {
			size_t n = r->msg[in.at++];

			if (in.at + n > in.len)
				return -EBADMSG;
			memcpy(joined + len, r->msg + in.at, n);
			len += n;
			in.at += n;
		}
		spf_keep(a, (const char *)joined, len);
		return 0;
	default: /* PTR, MX */
		if (rr->data_len < skip)
			return -EBADMSG;
		in.at += skip;
		/* A name may point back into the whole message, not beyond this record. */
		if (read_name(&in, name, &text))
			return -EBADMSG;
		if (!text || a->count == DNS_NAMES)
			return 0;
		memcpy(joined, r->msg + rr->data, skip);
		len = strlen(name);
		memcpy(joined + skip, name, len);
		add(a, joined, skip + len);
		return 0;
	}
}

/* Goes over the answer section once: collects what belongs to `name`; where that is nothing, an
 * alias of it goes to ret_alias ("": none). */
static int collect(struct reader r, unsigned records, const char *name, enum dns_type type,
		   struct dns_answer *a, char ret_alias[DNS_NAME], uint32_t *ttl)
{
	struct rr rr;

	*ret_alias = 0;
	for (unsigned i = 0; i < records; i++) {
		int rc = read_rr(&r, &rr);

		if (rc)
			return rc;
		if (rr.class != CLASS_IN || !rr.named || strcasecmp(rr.owner, name) != 0)
			continue;
		if (rr.type != type && rr.type != TYPE_CNAME)
			continue;
		if (rr.ttl < *ttl)
			*ttl = rr.ttl;
		if (rr.type == TYPE_CNAME) {
			struct reader in = {r.msg, rr.data + rr.data_len, rr.data};
			bool text;

			if (read_name(&in, ret_alias, &text))
				return -EBADMSG;
			if (!text)
				*ret_alias = 0;
			continue;
		}
		rc = add_rr(&r, &rr, a);
		if (rc)
			return rc;
	}
	return 0;
}

/* How long "there is none" holds (RFC 2308 5): the authority's SOA, or 0 without one. */
static uint32_t negative_ttl(struct reader r, unsigned skip, unsigned records)
{
	struct rr rr;

	for (unsigned i = 0; i < skip + records; i++) {
		uint32_t minimum;

		if (read_rr(&r, &rr))
			return 0;
		if (i < skip || rr.type != TYPE_SOA || rr.data_len < 20)
			continue;
		minimum = get32(r.msg + rr.data + rr.data_len - 4);
		return rr.ttl < minimum ? rr.ttl : minimum;
	}
	return 0;
}

int dns_parse(const uint8_t *msg, size_t len, const char *name, enum dns_type type,
	      struct dns_answer *ret)
{
	struct reader r = {msg, len, HEADER};
	char current[DNS_NAME], alias[DNS_NAME];
	uint32_t ttl = INT32_MAX;
	unsigned rcode, answers;
	bool text;
	int rc = 0;

	ret->count = 0;
	ret->len = ret->ttl = 0;
	ret->status = DNS_FAILED;
	if (len < HEADER || len > DNS_MESSAGE)
		return -EBADMSG;
	rcode = msg[3] & 15;
	answers = get16(msg + 6);
	for (unsigned i = get16(msg + 4); i; i--) {
		if (read_name(&r, current, &text) || r.at + 4 > r.len)
			return -EBADMSG;
		r.at += 4;
	}
	if (rcode && rcode != RCODE_NXDOMAIN)
		return 0;
	if (strlen(name) >= DNS_NAME)
		return -EBADMSG;
	memcpy(current, name, strlen(name) + 1);
	for (int i = 0; i < ALIASES && !ret->count && *current && !rc; i++) {
		rc = collect(r, answers, current, type, ret, alias, &ttl);
		memcpy(current, alias, sizeof(current));
	}
	if (rc)
		return rc;
	ret->status = ret->count ? DNS_FOUND : DNS_NONE;
	ret->ttl = ret->count ? ttl : negative_ttl(r, answers, get16(msg + 8));
	return 0;
}
