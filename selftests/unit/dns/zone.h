/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names and their records in the form of selftests/data/rfc7208-tests.json, as a source of answers:
 * an object of names in lower case, each with a list of [TYPE, VALUE], or of ["TIMEOUT"].
 */
#ifndef SELFTESTS_UNIT_DNS_ZONE_H
#define SELFTESTS_UNIT_DNS_ZONE_H

#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "core/addr.h"
#include "dns/answer.h"
#include "dns/spf.h"

static inline const char *zone_type(enum dns_type t)
{
	return t == DNS_A      ? "A"
	       : t == DNS_AAAA ? "AAAA"
	       : t == DNS_MX   ? "MX"
	       : t == DNS_PTR  ? "PTR"
			       : "TXT";
}

static inline void zone_add(struct dns_answer *a, enum dns_type type, const json_t *value)
{
	static char text[DNS_MESSAGE];
	size_t len = 0, skip = type == DNS_MX ? 2 : 0;
	struct addr addr;

	if (type == DNS_A || type == DNS_AAAA) {
		if (!addr_parse(json_string_value(value), &addr))
			dns_record_add(a, addr.b + (type == DNS_A ? 12 : 0),
				       type == DNS_A ? 4 : 16);
		return;
	}
	if (type == DNS_TXT) {
		json_t *piece;
		size_t i;

		json_array_foreach(value, i, piece)
		{
			memcpy(text + len, json_string_value(piece), json_string_length(piece));
			len += json_string_length(piece);
		}
		spf_keep(a, text, len);
		return;
	}
	if (type == DNS_MX)
		value = json_array_get(value, 1);
	len = strlen(json_string_value(value));
	for (size_t i = 0; i < len; i++) {
		char c = json_string_value(value)[i];

		text[skip + i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
	}
	if (len && text[skip + len - 1] == '.')
		len--;
	dns_record_add(a, text, skip + len);
}

static inline json_t *zone_find(json_t *zone, const char *name)
{
	const char *key;
	json_t *value;

	json_object_foreach(zone, key, value)
	{
		if (!strcasecmp(key, name))
			return value;
	}
	return NULL;
}

static inline void zone_answer(json_t *zone, const char *name, enum dns_type type,
			       struct dns_answer *a)
{
	json_t *records, *one;
	bool timeout = false;
	size_t i;

	memset(a, 0, offsetof(struct dns_answer, data));
	a->status = DNS_NONE;
	for (int alias = 0; alias < 8 && name; alias++) {
		records = zone_find(zone, name);
		name = NULL;
		json_array_foreach(records, i, one)
		{
			const char *t = json_string_value(json_array_get(one, 0));

			if (!strcmp(t, "TIMEOUT"))
				timeout = true;
			else if (!strcmp(t, "CNAME"))
				name = json_string_value(json_array_get(one, 1));
			else if (!strcmp(t, zone_type(type)))
				zone_add(a, type, json_array_get(one, 1));
		}
	}
	if (a->count)
		a->status = DNS_FOUND;
	else if (timeout)
		a->status = DNS_TIMEOUT;
}

/* Runs an evaluation that was begun; returns how many questions it asked. */
static inline int zone_run(struct spf *s, json_t *zone)
{
	static struct dns_answer a;
	int questions = 0;

	while (spf_next(s) == SPF_ASK && questions < 1000) {
		zone_answer(zone, s->question.name, s->question.type, &a);
		spf_answer(s, &a);
		questions++;
	}
	return questions;
}

#endif
