// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>
#include <strings.h>

#include "dsn.h"
#include "ehlo.h"
#include "params.h"

#define SIZE_DIGITS 20 /* RFC 1870 section 6 */

struct param {
	const char *name, *value; /* value NULL: no "=" */
	size_t name_len, value_len;
};

/* What a reader may look at besides its word. */
struct reading {
	const struct smtp_conf *c;
	bool utf8; /* of the transaction */
	struct params all;
};

typedef enum smtp_reply (*param_fn)(struct reading *r, const struct param *p);

static enum smtp_reply read_size(struct reading *r, const struct param *p)
{
	uint64_t size = 0;

	if (!p->value || p->value_len > SIZE_DIGITS)
		return REPLY_SYNTAX;
	for (size_t i = 0; i < p->value_len; i++) {
		if (p->value[i] < '0' || p->value[i] > '9')
			return REPLY_SYNTAX;
	}
	for (size_t i = 0; i < p->value_len; i++) {
		if (__builtin_mul_overflow(size, 10, &size) ||
		    __builtin_add_overflow(size, p->value[i] - '0', &size) ||
		    (r->c->message && size > r->c->message))
			return REPLY_TOO_BIG;
	}
	r->all.size = size;
	return REPLY_OK;
}

static enum smtp_reply read_body(struct reading *r, const struct param *p)
{
	if (!p->value)
		return REPLY_SYNTAX;
	if (p->value_len == 4 && strncasecmp(p->value, "7BIT", 4) == 0)
		r->all.body = SMTP_7BIT;
	else if (p->value_len == 8 && strncasecmp(p->value, "8BITMIME", 8) == 0)
		r->all.body = SMTP_8BITMIME;
	else
		return REPLY_BAD_PARAM;
	return REPLY_OK;
}

static enum smtp_reply read_utf8(struct reading *r, const struct param *p)
{
	r->all.utf8 = !p->value;
	return p->value ? REPLY_SYNTAX : REPLY_OK;
}

static enum smtp_reply read_ret(struct reading *r, const struct param *p)
{
	(void)r;
	return p->value && dsn_ret(p->value, p->value_len) ? REPLY_OK : REPLY_SYNTAX;
}

static enum smtp_reply read_envid(struct reading *r, const struct param *p)
{
	(void)r;
	return p->value && dsn_envid(p->value, p->value_len) ? REPLY_OK : REPLY_SYNTAX;
}

static enum smtp_reply read_notify(struct reading *r, const struct param *p)
{
	(void)r;
	return p->value && dsn_notify(p->value, p->value_len) ? REPLY_OK : REPLY_SYNTAX;
}

static enum smtp_reply read_orcpt(struct reading *r, const struct param *p)
{
	bool good = p->value && dsn_orcpt(p->value, p->value_len, r->utf8);

	return good ? REPLY_OK : REPLY_SYNTAX;
}

static const struct {
	const char *name;
	enum smtp_path_kind kind;
	enum ehlo_keyword extension;
	param_fn read;
} params[] = {
	{"SIZE", SMTP_REVERSE, EHLO_SIZE, read_size},
	{"BODY", SMTP_REVERSE, EHLO_8BITMIME, read_body},
	{"SMTPUTF8", SMTP_REVERSE, EHLO_SMTPUTF8, read_utf8},
	{"RET", SMTP_REVERSE, EHLO_DSN, read_ret},
	{"ENVID", SMTP_REVERSE, EHLO_DSN, read_envid},
	{"NOTIFY", SMTP_FORWARD, EHLO_DSN, read_notify},
	{"ORCPT", SMTP_FORWARD, EHLO_DSN, read_orcpt},
};

#define PARAMS (sizeof(params) / sizeof(params[0]))

/* One esmtp-param of RFC 5321 4.1.2 out of a word: its keyword and, after "=", its value. Bytes
 * above ASCII come only in lines that may have them (RFC 6531 3.3); who reads the value says more.
 */
static bool param_split(const char *word, size_t len, struct param *ret)
{
	const char *equals = memchr(word, '=', len);
	size_t name = equals ? (size_t)(equals - word) : len;

	for (size_t i = 0; i < name; i++) {
		char ch = word[i] | 0x20;

		if (!(ch >= 'a' && ch <= 'z') && !(word[i] >= '0' && word[i] <= '9') &&
		    (i == 0 || word[i] != '-'))
			return false;
	}
	for (size_t i = name + 1; i < len; i++) {
		if ((unsigned char)word[i] <= ' ' || word[i] == '=' || word[i] == 0x7f)
			return false;
	}
	if (!name || (equals && name + 1 == len))
		return false;
	*ret = (struct param){word, equals ? equals + 1 : NULL, name, equals ? len - name - 1 : 0};
	return true;
}

/* Another EHLO may offer it; one that has said HELO was offered nothing and needs nothing. */
static enum smtp_reply not_offered(const struct smtp_conf *c, uint32_t offered, enum ehlo_keyword k)
{
	return offered && ehlo_offered(c) & ehlo_bit(k) ? REPLY_OFFER_CHANGED : REPLY_BAD_PARAM;
}

enum smtp_reply params_read(const struct smtp_conf *c, uint32_t offered, bool utf8,
			    enum smtp_path_kind kind, const char *text, size_t len,
			    struct params *ret)
{
	struct reading r = {.c = c, .utf8 = utf8};
	char *all = r.all.text;
	unsigned int seen = 0;
	size_t filled = 0;

	while (len) {
		const char *space = memchr(text, ' ', len);
		size_t word = space ? (size_t)(space - text) : len, i = 0;
		enum smtp_reply refusal;
		struct param p;

		if (!word) {
			text++;
			len--;
			continue;
		}
		if (!param_split(text, word, &p))
			return REPLY_SYNTAX;
		while (i < PARAMS && (strlen(params[i].name) != p.name_len ||
				      strncasecmp(params[i].name, p.name, p.name_len) != 0))
			i++;
		if (i == PARAMS || params[i].kind != kind)
			return REPLY_BAD_PARAM;
		if (!(offered & ehlo_bit(params[i].extension)))
			return not_offered(c, offered, params[i].extension);
		if (seen & 1u << i || filled + word + 2 > sizeof(r.all.text))
			return REPLY_SYNTAX;
		seen |= 1u << i;
		refusal = params[i].read(&r, &p);
		if (refusal != REPLY_OK)
			return refusal;
		if (filled)
			all[filled++] = ' ';
		memcpy(all + filled, text, word);
		filled += word;
		text += word;
		len -= word;
	}
	*ret = r.all;
	return REPLY_OK;
}
