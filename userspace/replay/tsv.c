// SPDX-License-Identifier: GPL-2.0-or-later
/* Attempt logs as tab-separated values. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define COLUMNS 64

static const struct {
	const char *name;
	bool needed;
} columns[COLUMN_MAX] = {
	[COLUMN_TIME] = {"time", true},
	[COLUMN_IP] = {"ip", true},
	[COLUMN_HELO] = {"helo", false},
	[COLUMN_SENDER] = {"sender", true},
	[COLUMN_RECIPIENT] = {"recipient", true},
	[COLUMN_RDNS] = {"rdns", false},
	[COLUMN_SPF] = {"spf", false},
};

static const struct {
	const char *word;
	enum evidence_spf spf;
} spf_words[] = {
	{"", SPF_UNKNOWN},
	{"none", SPF_NONE},
	{"neutral", SPF_NEUTRAL},
	{"pass", SPF_PASS},
	{"fail", SPF_FAIL},
	{"softfail", SPF_SOFTFAIL},
	{"temperror", SPF_TEMPERROR},
	{"permerror", SPF_PERMERROR},
};

/* The line's fields, cut apart; -1: more than COLUMNS. */
static int split(char *line, char *fields[COLUMNS])
{
	int n = 0;

	for (;;) {
		char *tab = strchr(line, '\t');

		if (n == COLUMNS)
			return -1;
		fields[n++] = line;
		if (!tab)
			return n;
		*tab = '\0';
		line = tab + 1;
	}
}

int replay_tsv_header(struct replay_tsv *t, char *line, char why[REPLAY_WHY])
{
	struct replay_tsv got = {.count = 0};
	char *fields[COLUMNS];

	got.count = split(line, fields);
	for (int c = 0; c < COLUMN_MAX; c++) {
		got.column[c] = -1;
		for (int i = 0; i < got.count && got.column[c] < 0; i++)
			if (!strcmp(fields[i], columns[c].name))
				got.column[c] = i;
		if (got.column[c] >= 0 || !columns[c].needed)
			continue;
		snprintf(why, REPLAY_WHY,
			 "no column \"%s\"; the first line names the columns: time, ip, helo, "
			 "sender, recipient, rdns, spf, with tabs between them",
			 columns[c].name);
		return -EINVAL;
	}
	*t = got;
	return 0;
}

uint32_t replay_fraction(const char **text)
{
	uint32_t ms = 0, digit = 100;
	const char *p = *text;

	if (*p != '.' && *p != ',')
		return 0;
	for (p++; *p >= '0' && *p <= '9'; p++, digit /= 10)
		ms += digit * (uint32_t)(*p - '0');
	*text = p;
	return ms;
}

/* Seconds; of a fraction what is less than a thousandth is dropped. */
static int read_time(const char *text, uint64_t *ret)
{
	const char *point;
	uint64_t s = 0;
	size_t n = strspn(text, "0123456789");

	if (!n || n > 10)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		s = 10 * s + (uint64_t)(text[i] - '0');
	point = text + n;
	if (s > INT32_MAX || (*point && *point != '.'))
		return -EINVAL;
	*ret = 1000 * s + replay_fraction(&point);
	return *point ? -EINVAL : 0;
}

/* With or without its brackets. */
static char *path(char *text)
{
	size_t len = strlen(text);

	if (len < 2 || text[0] != '<' || text[len - 1] != '>')
		return text;
	text[len - 1] = '\0';
	return text + 1;
}

static void copy_name(char *to, const char *from)
{
	size_t n = 0;

	for (; from[n] && n + 1 < EVIDENCE_NAME; n++)
		to[n] = (char)(from[n] >= 'A' && from[n] <= 'Z' ? from[n] - 'A' + 'a' : from[n]);
	if (n && to[n - 1] == '.')
		n--;
	to[n] = '\0';
}

int replay_evidence(struct replay_attempt *a, const char *name, const char *spf)
{
	struct policy_evidence *e = &a->evidence;
	const char *at = strrchr(a->sender, '@');
	size_t i = 0;

	while (spf && i < sizeof(spf_words) / sizeof(spf_words[0]) &&
	       strcmp(spf, spf_words[i].word) != 0)
		i++;
	if (i == sizeof(spf_words) / sizeof(spf_words[0]))
		return -EINVAL;
	e->spf = (uint8_t)spf_words[i].spf;
	e->name_state = !name ? NAME_UNKNOWN : *name ? NAME_CONFIRMED : NAME_NONE;
	e->early_talk = e->early_pipelining = e->bad_helo = e->not_smtp = false;
	e->many_errors = e->bad_path = false;
	e->list_score = 0;
	copy_name(e->name, name ? name : "");
	/* Without a sender SPF speaks of the name in HELO (RFC 7208 2.4). */
	copy_name(e->spf_domain, at ? at + 1 : a->helo);
	return 0;
}

int replay_tsv_row(const struct replay_tsv *t, char *line, struct replay_attempt *ret,
		   char why[REPLAY_WHY])
{
	char *fields[COLUMNS], *v[COLUMN_MAX];
	int n = split(line, fields);

	if (n != t->count) {
		snprintf(why, REPLAY_WHY, "%d fields instead of the %d that the header names", n,
			 t->count);
		return -EINVAL;
	}
	for (int c = 0; c < COLUMN_MAX; c++)
		v[c] = t->column[c] < 0 ? NULL : fields[t->column[c]];
	if (read_time(v[COLUMN_TIME], &ret->time)) {
		snprintf(why, REPLAY_WHY, "time \"%.40s\": seconds from 0 to %d are wanted",
			 v[COLUMN_TIME], INT32_MAX);
		return -EINVAL;
	}
	if (addr_parse(v[COLUMN_IP], &ret->src)) {
		snprintf(why, REPLAY_WHY, "ip \"%.60s\" is no IPv4 or IPv6 address", v[COLUMN_IP]);
		return -EINVAL;
	}
	ret->helo = v[COLUMN_HELO] ? v[COLUMN_HELO] : "";
	ret->sender = path(v[COLUMN_SENDER]);
	ret->recipient = path(v[COLUMN_RECIPIENT]);
	if (!ret->recipient[0]) {
		snprintf(why, REPLAY_WHY, "the recipient is missing");
		return -EINVAL;
	}
	if (replay_evidence(ret, v[COLUMN_RDNS], v[COLUMN_SPF])) {
		snprintf(why, REPLAY_WHY,
			 "spf \"%.40s\": none, pass, fail, softfail, neutral, temperror, permerror "
			 "or nothing is wanted",
			 v[COLUMN_SPF]);
		return -EINVAL;
	}
	return 0;
}
