// SPDX-License-Identifier: GPL-2.0-or-later
#include <assert.h>
#include <endian.h>
#include <errno.h>

#include "codec.h"

/* Longest value: a sliding record of an IPv6 source with a full text. */
_Static_assert(4 + 1 + 4 + 4 + 3 + 5 + 3 + 16 + 1 + STORE_TEXT <= ROW_VALUE, "values fit");
_Static_assert(4 + 1 + 17 <= ROW_KEY, "due keys of verdicts fit");

#define FLAG_IS4 0x01
#define FLAG_CLASS_SHIFT 1
#define FLAG_RUNG_SHIFT 4
#define FLAG_MASK 7
#define FLAG_MORE 0x80 /* a number follows: what few records have */
#define MORE_SHADOW 0x01
#define MORE_LEARNT 0x02
#define MORE_TOOK_SHIFT 2

/* Where the next bytes go, or come from; `bad` once there were too few. */
struct cursor {
	uint8_t *to;
	const uint8_t *from;
	size_t left;
	bool bad;
};

static void put(struct cursor *c, const void *data, size_t len)
{
	assert(len <= c->left);
	memcpy(c->to, data, len);
	c->to += len;
	c->left -= len;
}

static void put8(struct cursor *c, uint8_t v)
{
	put(c, &v, 1);
}

/* Seven bits a byte, low ones first, the top bit says that more follow: most records were seen once
 * and never again, so most counts and ages are one byte. */
static void put_var(struct cursor *c, uint32_t v)
{
	for (; v >= 0x80; v >>= 7)
		put8(c, (uint8_t)(v | 0x80));
	put8(c, (uint8_t)v);
}

static void put32(struct cursor *c, uint32_t v)
{
	v = htobe32(v);
	put(c, &v, sizeof(v));
}

static void put64(struct cursor *c, uint64_t v)
{
	v = htobe64(v);
	put(c, &v, sizeof(v));
}

static void take(struct cursor *c, void *data, size_t len)
{
	if (len > c->left) {
		c->bad = true;
		memset(data, 0, len);
		return;
	}
	memcpy(data, c->from, len);
	c->from += len;
	c->left -= len;
}

static uint8_t take8(struct cursor *c)
{
	uint8_t v;

	take(c, &v, 1);
	return v;
}

static uint32_t take_var(struct cursor *c, uint32_t max)
{
	uint64_t v = 0;
	uint8_t b = 0x80;

	for (int shift = 0; b & 0x80 && shift < 35; shift += 7) {
		b = take8(c);
		v |= (uint64_t)(b & 0x7f) << shift;
	}
	if (b & 0x80 || v > max)
		c->bad = true;
	return (uint32_t)v;
}

static uint32_t take32(struct cursor *c)
{
	uint32_t v;

	take(c, &v, sizeof(v));
	return be32toh(v);
}

static uint64_t take64(struct cursor *c)
{
	uint64_t v;

	take(c, &v, sizeof(v));
	return be64toh(v);
}

/* ---- texts ---- */

static size_t text_len(const char *text)
{
	return strnlen(text, STORE_TEXT - 1);
}

const char *store_text_recipient(const struct store_item *item)
{
	size_t n = text_len(item->text) + 1;

	return n < STORE_TEXT ? item->text + n : "";
}

static size_t recipient_len(const struct store_item *item)
{
	size_t n = text_len(item->text) + 1;

	return n < STORE_TEXT ? strnlen(item->text + n, STORE_TEXT - n - 1) : 0;
}

void store_text_pair(char ret[STORE_TEXT], const char *sender, const char *recipient)
{
	const size_t room = STORE_TEXT - 2;
	size_t s = strlen(sender), r = strlen(recipient);

	if (s + r > room) {
		if (r <= room / 2) {
			s = room - r;
		} else {
			if (s > room / 2)
				s = room / 2;
			r = room - s;
		}
	}
	memset(ret, 0, STORE_TEXT);
	memcpy(ret, sender, s);
	memcpy(ret + s + 1, recipient, r);
}

static void put_pair(struct cursor *c, const struct store_item *item)
{
	size_t s = text_len(item->text), r = recipient_len(item);

	put8(c, (uint8_t)s);
	put(c, item->text, s);
	put(c, item->text + s + 1, r);
}

static void take_pair(struct cursor *c, struct store_item *item)
{
	size_t s = take8(c), r = c->left - (s < c->left ? s : c->left);

	if (s + r + 2 > STORE_TEXT) {
		c->bad = true;
		return;
	}
	take(c, item->text, s);
	take(c, item->text + s + 1, r);
}

static void take_text(struct cursor *c, struct store_item *item)
{
	if (c->left >= STORE_TEXT)
		c->bad = true;
	else
		take(c, item->text, c->left);
}

/* ---- parts of a record ---- */

/* A record of which only the table's part is known still names its network. */
static struct addr source_of(const struct store_item *item)
{
	struct addr a = item->prefix.addr;

	if (item->prefix.len)
		return a;
	memset(&a, 0, sizeof(a));
	if (item->rec.is4) {
		a.b[10] = a.b[11] = 0xff;
		memcpy(a.b + 12, item->rec.net, 4);
	} else {
		memcpy(a.b, item->rec.net, sizeof(item->rec.net));
	}
	return a;
}

static void put_flags(struct cursor *c, const struct record *r, const struct addr *source)
{
	uint32_t more = (r->shadow ? MORE_SHADOW : 0) | (r->learnt ? MORE_LEARNT : 0) |
			(uint32_t)r->took << MORE_TOOK_SHIFT;

	put8(c, (uint8_t)((addr_is4(source) ? FLAG_IS4 : 0) |
			  (r->delay_class & FLAG_MASK) << FLAG_CLASS_SHIFT |
			  (r->rung & FLAG_MASK) << FLAG_RUNG_SHIFT | (more ? FLAG_MORE : 0)));
	if (more)
		put_var(c, more);
}

static void put_source(struct cursor *c, const struct addr *a)
{
	if (addr_is4(a))
		put(c, a->b + 12, 4);
	else
		put(c, a->b, sizeof(a->b));
}

static void take_flags(struct cursor *c, struct record *r)
{
	uint8_t flags = take8(c);
	uint32_t more = flags & FLAG_MORE ? take_var(c, RECORD_TOOK_MAX << MORE_TOOK_SHIFT |
								MORE_SHADOW | MORE_LEARNT)
					  : 0;

	r->shadow = more & MORE_SHADOW;
	r->learnt = !!(more & MORE_LEARNT);
	r->took = more >> MORE_TOOK_SHIFT & RECORD_TOOK_MAX;
	r->is4 = flags & FLAG_IS4;
	r->delay_class = flags >> FLAG_CLASS_SHIFT & FLAG_MASK;
	r->rung = flags >> FLAG_RUNG_SHIFT & FLAG_MASK;
}

static void take_source(struct cursor *c, struct store_item *item)
{
	struct addr a = {{0}};

	if (item->rec.is4) {
		a.b[10] = a.b[11] = 0xff;
		take(c, a.b + 12, 4);
		memcpy(item->rec.net, a.b + 12, 4);
	} else {
		take(c, a.b, sizeof(a.b));
		memcpy(item->rec.net, a.b, sizeof(item->rec.net));
	}
	item->prefix = addr_host(&a);
}

/* ---- keys ---- */

enum sub codec_place_record(const struct record *r, struct row_key *ret)
{
	static const uint8_t subs[] = {
		[RECORD_NONE] = SUB_MAX,      [RECORD_GREY] = SUB_GREY,
		[RECORD_PASSED] = SUB_PASSED, [RECORD_SOURCE] = SUB_SOURCE,
		[RECORD_TRAP] = SUB_TRAP,
	};
	struct cursor c = {.to = ret->b, .left = ROW_KEY};
	enum sub sub = r->state < sizeof(subs) ? subs[r->state] : SUB_MAX;

	if (sub == SUB_GREY) {
		put32(&c, r->first);
		put8(&c, 0);
	}
	put64(&c, r->tag);
	ret->len = (uint8_t)(ROW_KEY - c.left);
	return sub;
}

enum sub codec_place(const struct store_item *item, struct row_key *ret)
{
	struct cursor c = {.to = ret->b, .left = ROW_KEY};

	if (item->kind == STORE_RECORD)
		return codec_place_record(&item->rec, ret);
	if (item->kind == STORE_TRAP || item->kind == STORE_CORRESPONDENT) {
		put64(&c, item->rec.tag);
		ret->len = (uint8_t)(ROW_KEY - c.left);
		return item->kind == STORE_TRAP ? SUB_TRAP : SUB_CORRESPONDENT;
	}
	put(&c, item->prefix.addr.b, sizeof(item->prefix.addr.b));
	put8(&c, item->prefix.len);
	ret->len = (uint8_t)(ROW_KEY - c.left);
	return SUB_VERDICT;
}

struct row_key codec_due_key(uint32_t due, enum sub sub, const void *key, size_t key_len)
{
	struct row_key k = {0};
	struct cursor c = {.to = k.b, .left = ROW_KEY};

	put32(&c, due);
	put8(&c, (uint8_t)sub);
	put(&c, key, key_len);
	k.len = (uint8_t)(ROW_KEY - c.left);
	return k;
}

int codec_due_parse(const void *key, size_t key_len, uint32_t *ret_due, enum sub *ret_sub,
		    const void **ret_key, size_t *ret_key_len)
{
	struct cursor c = {.from = key, .left = key_len};
	uint32_t due = take32(&c);
	enum sub sub = take8(&c);

	if (c.bad || !codec_slides(sub) || !c.left)
		return -EILSEQ;
	*ret_due = due;
	*ret_sub = sub;
	*ret_key = c.from;
	*ret_key_len = c.left;
	return 0;
}

uint32_t codec_grey_first(const void *key)
{
	struct cursor c = {.from = key, .left = 4};

	return take32(&c);
}

/* ---- values ---- */

void codec_pack(const struct store_item *item, uint32_t due, struct row_value *ret)
{
	struct cursor c = {.to = ret->b, .left = ROW_VALUE};
	const struct record *r = &item->rec;
	struct addr source;

	if (item->kind == STORE_VERDICT) {
		put32(&c, due);
		put8(&c, (uint8_t)item->entry.verdict);
		put8(&c, (uint8_t)item->entry.action);
		put8(&c, (uint8_t)item->entry.origin);
		put8(&c, item->entry.list);
		put8(&c, item->entry.repeats);
		put32(&c, item->entry.expires);
		put32(&c, item->added);
		put(&c, item->text, text_len(item->text));
	} else if (item->kind == STORE_TRAP || item->kind == STORE_CORRESPONDENT) {
		if (item->kind == STORE_CORRESPONDENT) {
			put32(&c, due);
			put32(&c, item->entry.expires);
		}
		put32(&c, item->added);
		put(&c, item->text, text_len(item->text));
	} else {
		source = source_of(item);
		if (r->state != RECORD_GREY)
			put32(&c, due);
		put_flags(&c, r, &source);
		if (r->state != RECORD_GREY)
			put32(&c, r->first);
		put_var(&c, r->attempts);
		put_var(&c, r->last - r->first);
		if (r->state != RECORD_GREY)
			put_var(&c, r->passed);
		put_source(&c, &source);
		put_pair(&c, item);
	}
	ret->len = (uint8_t)(ROW_VALUE - c.left);
}

static void take_verdict(struct cursor *k, struct cursor *c, struct store_item *item)
{
	uint8_t verdict, action, origin;

	item->kind = STORE_VERDICT;
	take(k, item->prefix.addr.b, sizeof(item->prefix.addr.b));
	item->prefix.len = take8(k);
	take32(c);
	verdict = take8(c);
	action = take8(c);
	origin = take8(c);
	item->entry.list = take8(c);
	item->entry.repeats = take8(c);
	item->entry.expires = take32(c);
	item->added = take32(c);
	take_text(c, item);
	if (item->prefix.len > 128 || verdict > GG_DENY || action > GG_DROP_ALL ||
	    origin > GG_BY_CORRESPONDENT)
		c->bad = true;
	item->entry.verdict = verdict;
	item->entry.action = action;
	item->entry.origin = origin;
}

static void take_trap(struct cursor *k, struct cursor *c, struct store_item *item)
{
	item->kind = STORE_TRAP;
	item->rec.tag = take64(k);
	item->rec.state = RECORD_TRAP;
	item->added = take32(c);
	take_text(c, item);
}

static void take_correspondent(struct cursor *k, struct cursor *c, struct store_item *item)
{
	item->kind = STORE_CORRESPONDENT;
	item->rec.tag = take64(k);
	take32(c);
	item->entry.expires = take32(c);
	item->added = take32(c);
	take_text(c, item);
}

static void take_record(enum sub sub, struct cursor *k, struct cursor *c, struct store_item *item)
{
	struct record *r = &item->rec;

	item->kind = STORE_RECORD;
	if (sub == SUB_GREY) {
		r->state = RECORD_GREY;
		r->first = take32(k);
		take8(k);
	} else {
		r->state = sub == SUB_PASSED ? RECORD_PASSED : RECORD_SOURCE;
		take32(c);
	}
	r->tag = take64(k);
	take_flags(c, r);
	if (sub != SUB_GREY)
		r->first = take32(c);
	r->attempts = (uint16_t)take_var(c, UINT16_MAX);
	r->last = r->first + take_var(c, UINT32_MAX);
	if (sub != SUB_GREY)
		r->passed = (uint16_t)take_var(c, UINT16_MAX);
	take_source(c, item);
	take_pair(c, item);
	if (!r->tag)
		c->bad = true;
}

int codec_unpack(enum sub sub, const void *key, size_t key_len, const void *value, size_t value_len,
		 struct store_item *ret)
{
	struct cursor k = {.from = key, .left = key_len};
	struct cursor c = {.from = value, .left = value_len};
	struct store_item item;

	memset(&item, 0, sizeof(item));
	switch (sub) {
	case SUB_GREY:
	case SUB_PASSED:
	case SUB_SOURCE:
		take_record(sub, &k, &c, &item);
		break;
	case SUB_VERDICT:
		take_verdict(&k, &c, &item);
		break;
	case SUB_TRAP:
		take_trap(&k, &c, &item);
		break;
	case SUB_CORRESPONDENT:
		take_correspondent(&k, &c, &item);
		break;
	default:
		return -EILSEQ;
	}
	if (k.bad || k.left || c.bad || c.left)
		return -EILSEQ;
	*ret = item;
	return 0;
}

bool codec_wants_old(const struct store_item *item)
{
	if (item->kind == STORE_VERDICT)
		return !item->added;
	return item->kind == STORE_RECORD &&
	       (!item->prefix.len || (!item->text[0] && !item->text[1]));
}

void codec_fill(struct store_item *item, const struct store_item *old)
{
	if (item->kind == STORE_VERDICT)
		item->added = old->added;
	if (!item->prefix.len)
		item->prefix = old->prefix;
	if (!item->text[0] && !item->text[1])
		memcpy(item->text, old->text, sizeof(item->text));
}

/* ---- lifetimes ---- */

bool codec_slides(enum sub sub)
{
	return sub == SUB_PASSED || sub == SUB_SOURCE || sub == SUB_VERDICT ||
	       sub == SUB_CORRESPONDENT;
}

/* The last moment there is stands for every later one. */
static uint32_t later(uint32_t t, uint32_t by)
{
	return t > UINT32_MAX - by ? UINT32_MAX : t + by;
}

uint32_t codec_over(const struct store_item *item, uint32_t window, uint32_t keep)
{
	if (item->kind == STORE_VERDICT || item->kind == STORE_CORRESPONDENT)
		return item->entry.expires;
	if (item->kind == STORE_TRAP)
		return 0;
	if (item->rec.state == RECORD_GREY)
		return later(later(item->rec.first, window), 1);
	return later(later(item->rec.last, keep), 1);
}

uint32_t codec_due(const void *value)
{
	struct cursor c = {.from = value, .left = 4};

	return take32(&c);
}

void codec_set_due(void *value, uint32_t due)
{
	struct cursor c = {.to = value, .left = 4};

	put32(&c, due);
}
