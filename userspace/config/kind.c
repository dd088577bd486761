// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/idn.h"
#include "../core/utf8.h"
#include "../smtp/smtp.h"
#include "schema.h"

#define PATH_LONGEST 4000

/* A read function puts the value at `to` (for a list: one element) and says by a word or two what
 * is wrong when it returns -EINVAL; "" leaves it at "not allowed here". */
struct kind {
	const char *allowed; /* what a value looks like, for complaints and manual */
	const char *quote;   /* around a value in a file */
	size_t size;
	bool list, owns; /* owns: an element is a char * to be freed */
	int (*read)(const struct schema_key *k, const char *text, void *to, const char **why);
	const char *(*print)(uint64_t value, char buf[VALUE_TEXT]); /* limits, where they count */
};

static int keep(const char *text, void *to)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	*(char **)to = copy;
	return 0;
}

static bool graphic(const char *text)
{
	for (; *text; text++) {
		if (*text <= ' ' || *text == 0x7f)
			return false;
	}
	return true;
}

static int read_text(const struct schema_key *k, const char *text, void *to, const char **why)
{
	size_t len = strlen(text);

	if (len < k->min || len > k->max) {
		*why = len ? "too long" : "empty";
		return -EINVAL;
	}
	if (!graphic(text)) {
		*why = "has a blank or a control character";
		return -EINVAL;
	}
	return keep(text, to);
}

/* As it is to stand in a reply. */
bool config_sentence_ok(const char *text)
{
	for (; *text; text++) {
		if (*text < ' ' || *text > '~')
			return false;
	}
	return true;
}

static int read_sentence(const struct schema_key *k, const char *text, void *to, const char **why)
{
	size_t len = strlen(text);

	if (len < k->min || len > k->max) {
		*why = len ? "too long" : "empty";
		return -EINVAL;
	}
	if (!config_sentence_ok(text)) {
		*why = "has a character that may not stand in a reply";
		return -EINVAL;
	}
	return keep(text, to);
}

static int read_hostname(const struct schema_key *k, const char *text, void *to, const char **why)
{
	(void)k;
	if (!smtp_domain_ok(text, strlen(text))) {
		*why = "not a host name";
		return -EINVAL;
	}
	return keep(text, to);
}

static int read_path(const struct schema_key *k, const char *text, void *to, const char **why)
{
	if (text[0] != '/') {
		*why = "does not begin with /";
		return -EINVAL;
	}
	if (strlen(text) > PATH_LONGEST || (!kind_is_list(k->kind) && strlen(text) > k->max)) {
		*why = "too long";
		return -EINVAL;
	}
	return keep(text, to);
}

/* user@domain in the grammar of RCPT, so that what stands here can also arrive there. */
static bool mailbox_ok(const char *text)
{
	char path[SMTP_PATH + 1];
	struct smtp_path parsed;
	int n = snprintf(path, sizeof(path), "<%s>", text);

	return n < (int)sizeof(path) && !strchr(text, ':') && text[0] != '<' &&
	       smtp_path_parse(path, (size_t)n, SMTP_FORWARD, &parsed) == n && parsed.domain;
}

/* It stands in replies, which are ASCII: a domain has A-labels for that, a local part has nothing.
 */
static int read_mailbox(const struct schema_key *k, const char *text, void *to, const char **why)
{
	const char *at = strrchr(text, '@');
	char plain[SMTP_PATH + 1];
	size_t local;

	(void)k;
	if (!mailbox_ok(text)) {
		*why = "not a mail address";
		return -EINVAL;
	}
	local = (size_t)(at + 1 - text);
	memcpy(plain, text, local);
	if (utf8_needed(text, local) || !idn_ascii(at + 1, plain + local, sizeof(plain) - local)) {
		*why = "has a character that may not stand in a reply";
		return -EINVAL;
	}
	return keep(plain, to);
}

/* A domain, or "*." and one. */
static bool domains_ok(const char *text)
{
	text += strncmp(text, "*.", 2) ? 0 : 2;
	return smtp_mail_domain_ok(text, strlen(text));
}

bool config_trap_ok(const char *text)
{
	const char *at = strrchr(text, '@');
	char plain[SMTP_PATH + 1];

	if (text[0] == '@')
		return domains_ok(text + 1);
	if (!at || strncmp(at, "@*.", 3) != 0)
		return mailbox_ok(text);
	return snprintf(plain, sizeof(plain), "%.*s@%s", (int)(at - text), text, at + 3) <
		       (int)sizeof(plain) &&
	       mailbox_ok(plain);
}

static int read_trap(const struct schema_key *k, const char *text, void *to, const char **why)
{
	(void)k;
	if (!config_trap_ok(text)) {
		*why = "not a mail address";
		return -EINVAL;
	}
	return keep(text, to);
}

static int read_domains(const struct schema_key *k, const char *text, void *to, const char **why)
{
	char canonical[POLICY_MAILBOX];

	(void)k;
	if (!domains_ok(text)) {
		*why = "not a domain";
		return -EINVAL;
	}
	policy_canonical(text, canonical, sizeof(canonical));
	return keep(canonical, to);
}

static int read_address(const struct schema_key *k, const char *text, void *to, const char **why)
{
	(void)k;
	*why = "not an address";
	return addr_parse(text, to) ? -EINVAL : 0;
}

static int find_word(const struct schema_key *k, const char *text, const char **why, int *ret)
{
	const struct word *w = word_find(k->words, text);

	if (!w || w->refuse) {
		*why = w ? w->refuse : "unknown word";
		return -EINVAL;
	}
	*ret = w->value;
	return 0;
}

static int read_word(const struct schema_key *k, const char *text, void *to, const char **why)
{
	return find_word(k, text, why, to);
}

static int read_flag(const struct schema_key *k, const char *text, void *to, const char **why)
{
	int value, rc = find_word(k, text, why, &value);

	if (!rc)
		*(bool *)to = value;
	return rc;
}

static int in_range(const struct schema_key *k, uint64_t value, const char **why)
{
	if (value >= k->min && value <= k->max)
		return 0;
	*why = value < k->min ? "too small" : "too large";
	return -EINVAL;
}

static int read_number(const struct schema_key *k, const char *text, void *to, const char **why)
{
	uint64_t value;

	*why = "not a number";
	if (value_number(text, &value) || in_range(k, value, why))
		return -EINVAL;
	*(uint32_t *)to = (uint32_t)value;
	return 0;
}

static int read_duration(const struct schema_key *k, const char *text, void *to, const char **why)
{
	uint64_t value;

	*why = "not a duration";
	if (config_duration(text, &value) || in_range(k, value, why))
		return -EINVAL;
	if (k->flags & KEY_SECONDS && value % 1000) {
		*why = "counted in whole seconds";
		return -EINVAL;
	}
	*(uint64_t *)to = value;
	return 0;
}

static int read_size(const struct schema_key *k, const char *text, void *to, const char **why)
{
	uint64_t value;

	*why = "not a size";
	if (config_size(text, &value) || in_range(k, value, why))
		return -EINVAL;
	*(uint64_t *)to = value;
	return 0;
}

static int read_interface(const struct schema_key *k, const char *text, void *to, const char **why)
{
	size_t len = strlen(text);

	(void)k;
	if (!len || len > 15 || !graphic(text) || strchr(text, '/')) {
		*why = "not an interface name";
		return -EINVAL;
	}
	return keep(text, to);
}

static int read_endpoint(const struct schema_key *k, const char *text, void *to, const char **why)
{
	struct endpoint e;

	memset(&e, 0, sizeof(e)); /* lists are compared as bytes */
	(void)k;
	if (endpoint_parse(text, &e)) {
		*why = "not an address with a port";
		return -EINVAL;
	}
	if (!e.port) {
		*why = "port 0";
		return -EINVAL;
	}
	*(struct endpoint *)to = e;
	return 0;
}

static int read_prefix(const struct schema_key *k, const char *text, void *to, const char **why)
{
	struct prefix p;
	int rc;

	memset(&p, 0, sizeof(p));
	(void)k;
	rc = prefix_parse(text, &p);
	if (rc) {
		*why = rc == -EDOM     ? "has bits set right of its length"
		       : rc == -ERANGE ? "no sender is in it; all of IPv4 is 0.0.0.0/0"
				       : "not an address or prefix";
		return -EINVAL;
	}
	*(struct prefix *)to = p;
	return 0;
}

static int read_weight(const struct schema_key *k, const char *text, void *to, const char **why)
{
	bool minus = text[0] == '-';
	uint64_t value;

	*why = "not a number";
	if (value_number(text + minus, &value))
		return -EINVAL;
	if (value > k->max) {
		*why = minus ? "too small" : "too large";
		return -EINVAL;
	}
	*(int32_t *)to = minus ? -(int32_t)value : (int32_t)value;
	return 0;
}

static int read_replies(const struct schema_key *k, const char *text, void *to, const char **why)
{
	(void)k;
	*why = "not a mask of replies";
	return dnslist_replies_parse(text, to);
}

static int read_server(const struct schema_key *k, const char *text, void *to, const char **why)
{
	struct endpoint e;

	memset(&e, 0, sizeof(e));
	if (addr_parse(text, &e.addr))
		return read_endpoint(k, text, to, why);
	e.port = 53;
	*(struct endpoint *)to = e;
	return 0;
}

static const struct kind kinds[KIND_MAX] = {
	[KIND_TEXT] = {"a name without blanks", "\"", sizeof(char *), false, true, read_text, NULL},
	[KIND_HOSTNAME] = {"a host name such as \"mx1.example.net\"", "\"", sizeof(char *), false,
			   true, read_hostname, NULL},
	[KIND_PATH] = {"an absolute path", "\"", sizeof(char *), false, true, read_path, NULL},
	[KIND_MAILBOX] = {"an address such as \"postmaster@example.net\"", "\"", sizeof(char *),
			  false, true, read_mailbox, NULL},
	[KIND_WORD] = {"one of ", "", sizeof(int), false, false, read_word, NULL},
	[KIND_FLAG] = {"one of ", "", sizeof(bool), false, false, read_flag, NULL},
	[KIND_NUMBER] = {"a number", "", sizeof(uint32_t), false, false, read_number,
			 value_number_text},
	[KIND_DURATION] = {"a duration", "", sizeof(uint64_t), false, false, read_duration,
			   value_duration_text},
	[KIND_SIZE] = {"a size", "", sizeof(uint64_t), false, false, read_size, value_size_text},
	[KIND_SENTENCE] = {"words in printable ASCII", "\"", sizeof(char *), false, true,
			   read_sentence, NULL},
	[KIND_WEIGHT] = {"a number", "", sizeof(int32_t), false, false, read_weight, NULL},
	[KIND_REPLIES] = {"up to 8 masks such as \"127.0.0.2-11,127.0.1.*\"", "\"",
			  sizeof(struct dnslist_replies), false, false, read_replies, NULL},
	[KIND_SERVERS] = {"a list such as {\"192.0.2.53\", \"[2001:db8::53]:5353\"}", "\"",
			  sizeof(struct endpoint), true, false, read_server, NULL},
	[KIND_INTERFACES] = {"a list of interfaces such as {\"eth0\"}", "\"", sizeof(char *), true,
			     true, read_interface, NULL},
	[KIND_PATHS] = {"an absolute path or a list of them", "\"", sizeof(char *), true, true,
			read_path, NULL},
	[KIND_HOSTNAMES] = {"a host name or a list such as {\"mail1.example.net\", "
			    "\"mail2.example.net\"}",
			    "\"", sizeof(char *), true, true, read_hostname, NULL},
	[KIND_ENDPOINTS] = {"a list such as {\"192.0.2.25:25\", \"[2001:db8::25]:25\"}", "\"",
			    sizeof(struct endpoint), true, false, read_endpoint, NULL},
	[KIND_PREFIXES] = {"a list such as {\"192.0.2.0/24\", \"2001:db8::1\"}", "\"",
			   sizeof(struct prefix), true, false, read_prefix, NULL},
	[KIND_TRAPS] = {"a list such as {\"user@example.net\", \"@unused.example.net\"}", "\"",
			sizeof(char *), true, true, read_trap, NULL},
	[KIND_DOMAINS] = {"a list such as {\"example.net\", \"*.example.net\"}", "\"",
			  sizeof(char *), true, true, read_domains, NULL},
	[KIND_ADDRESSES] = {"a list such as {\"192.0.2.26\", \"2001:db8::26\"}", "\"",
			    sizeof(struct addr), true, false, read_address, NULL},
};

bool kind_is_list(enum kind_id kind)
{
	return kinds[kind].list;
}

const char *kind_allowed(const struct schema_key *k, char *buf, size_t size)
{
	const struct kind *kind = &kinds[k->kind];
	char min[VALUE_TEXT], max[VALUE_TEXT];
	size_t len;

	if (kind->print) {
		snprintf(buf, size, "%s from %s to %s%s", kind->allowed, kind->print(k->min, min),
			 kind->print(k->max, max),
			 k->flags & KEY_SECONDS ? ", in whole seconds" : "");
		return buf;
	}
	if (k->kind == KIND_SENTENCE) {
		snprintf(buf, size, "%s, at most %d", kind->allowed, (int)k->max);
		return buf;
	}
	if (k->kind == KIND_WEIGHT) {
		snprintf(buf, size, "%s from -%d to %d", kind->allowed, (int)k->max, (int)k->max);
		return buf;
	}
	len = (size_t)snprintf(buf, size, "%s", kind->allowed);
	for (const struct word *w = k->words; w && w->text && len < size; w++) {
		if (!w->refuse)
			len += (size_t)snprintf(buf + len, size - len, "%s%s",
						w == k->words ? "" : ", ", w->text);
	}
	return buf;
}

const char *kind_spelling(const struct schema_key *k, const char *text, char *buf, size_t size)
{
	const struct kind *kind = &kinds[k->kind];

	snprintf(buf, size, "%s%s%s%s%s", kind->list ? "{" : "", kind->quote, text, kind->quote,
		 kind->list ? "}" : "");
	return buf;
}

static bool element_equal(const struct kind *kind, const void *a, const void *b)
{
	const char *x, *y;

	if (!kind->owns)
		return !memcmp(a, b, kind->size);
	x = *(char *const *)a;
	y = *(char *const *)b;
	return x && y ? !strcmp(x, y) : x == y; /* NULL: not set */
}

static int list_append(const struct schema_key *k, void *c, const char *text, const char **why)
{
	const struct kind *kind = &kinds[k->kind];
	char **field = schema_field(c, k), *grown;
	int *count = schema_list_count(c, k);
	size_t end = (size_t)*count * kind->size;
	int rc;

	if ((uint64_t)*count >= k->max) {
		*why = "one too many";
		return -EINVAL;
	}
	grown = realloc(*field, end + kind->size);
	if (!grown)
		return -ENOMEM;
	*field = grown;
	memset(grown + end, 0, kind->size);
	rc = kind->read(k, text, grown + end, why);
	if (rc)
		return rc;
	for (size_t at = 0; at < end; at += kind->size) {
		if (element_equal(kind, grown + at, grown + end)) {
			if (kind->owns)
				free(*(char **)(grown + end));
			*why = "given twice";
			return -EINVAL;
		}
	}
	++*count;
	return 0;
}

int kind_read(const struct schema_key *k, void *c, const char *text, char why[KIND_WHY])
{
	const struct kind *kind = &kinds[k->kind];
	const char *wrong = "";
	char allowed[200];
	union {
		char *text;
		uint64_t number;
		struct dnslist_replies replies;
		char bytes[sizeof(struct dnslist_replies)];
	} value;
	int rc;

	memset(&value, 0, sizeof(value));
	if (k->kind != KIND_PATH && k->kind != KIND_PATHS && !utf8_valid(text, strlen(text))) {
		wrong = "not UTF-8";
		rc = -EINVAL;
	} else if (kind->list) {
		rc = list_append(k, c, text, &wrong);
	} else {
		rc = kind->read(k, text, value.bytes, &wrong);
		if (!rc) {
			kind_free(k, c);
			memcpy(schema_field(c, k), value.bytes, kind->size);
		}
	}
	if (rc == -EINVAL && kind->list && (uint64_t)*schema_list_count(c, k) >= k->max)
		snprintf(why, KIND_WHY, "\"%.100s\": one too many; at most %d are allowed", text,
			 (int)k->max);
	else if (rc == -EINVAL)
		snprintf(why, KIND_WHY, "\"%.100s\": %s; allowed is %s", text, wrong,
			 kind_allowed(k, allowed, sizeof(allowed)));
	return rc;
}

void kind_free(const struct schema_key *k, void *c)
{
	const struct kind *kind = &kinds[k->kind];
	char **field = schema_field(c, k);

	if (!kind->list) {
		if (kind->owns)
			free(*field);
		memset(schema_field(c, k), 0, kind->size);
		return;
	}
	for (int i = 0; kind->owns && i < *schema_list_count(c, k); i++)
		free(((char **)(void *)*field)[i]);
	free(*field);
	*field = NULL;
	*schema_list_count(c, k) = 0;
}

void kind_copy(const struct schema_key *k, void *to, const void *from)
{
	memcpy(schema_field(to, k), schema_field(from, k), kinds[k->kind].size);
}

const char *kind_value(const struct schema_key *k, const void *c, char *buf, size_t size)
{
	const struct kind *kind = &kinds[k->kind];
	const void *field = schema_field(c, k);
	char text[VALUE_TEXT];

	if (k->words)
		snprintf(buf, size, "%s", word_text(k->words, *(const int *)field));
	else
		snprintf(buf, size, "%s",
			 kind->print(kind->size == sizeof(uint32_t) ? *(const uint32_t *)field
								    : *(const uint64_t *)field,
				     text));
	return buf;
}

bool kind_equal(const struct schema_key *k, const void *a, const void *b)
{
	const struct kind *kind = &kinds[k->kind];
	const char *x = schema_field(a, k), *y = schema_field(b, k);
	int n = 1;

	if (kind->list) {
		n = *schema_list_count(a, k);
		if (n != *schema_list_count(b, k))
			return false;
		x = *(char *const *)(const void *)x;
		y = *(char *const *)(const void *)y;
	}
	for (size_t i = 0; i < (size_t)n; i++) {
		if (!element_equal(kind, x + i * kind->size, y + i * kind->size))
			return false;
	}
	return true;
}
