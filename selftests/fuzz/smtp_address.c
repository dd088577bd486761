// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The address grammar: nothing beyond the end is read, what is taken is within its lengths, and a
 * mailbox that was taken is taken again without its source route. What is told to be loose is of
 * the strict grammar once its local part is quoted and its underscores are letters; nothing else
 * is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "smtp/smtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool truth)
{
	if (!truth)
		abort();
}

static void check_strict(const struct smtp_path *p, enum smtp_path_kind kind)
{
	bool quoted = *p->text == '"';
	struct smtp_path strict = *p, again;
	char written[SMTP_PATH + 3];
	int n;

	for (char *at = strict.text + p->domain; (at = strchr(at, '_'));)
		*at = 'x';
	n = snprintf(written, sizeof(written), quoted ? "<%.*s@%s>" : "<\"%.*s\"@%s>",
		     p->domain - 1, strict.text, strict.text + p->domain);
	if (n > SMTP_PATH || p->domain - 1 > SMTP_LOCAL - 2)
		return; /* no room for quotes */
	if (utf8_needed(p->text + p->domain, p->len - p->domain))
		return; /* with another letter it may be no label of RFC 5891 */
	demand(smtp_path_parse(written, (size_t)n, kind, &again) == n && !again.loose);
}

static void check(const char *text, size_t len, enum smtp_path_kind kind)
{
	struct smtp_path p, again;
	char written[SMTP_PATH + 1];
	int n = smtp_path_parse(text, len, kind, &p), m;

	if (n < 0)
		return;
	demand(n >= 2 && (size_t)n <= len && n <= SMTP_PATH && text[n - 1] == '>');
	demand(p.len < SMTP_PATH - 1 && p.text[p.len] == '\0' && strlen(p.text) == p.len);
	demand(!p.domain || (p.text[p.domain - 1] == '@' && p.domain - 1 <= SMTP_LOCAL));
	for (size_t i = 0; i < p.len; i++)
		demand((unsigned char)p.text[i] >= ' ' && p.text[i] != 0x7f);
	demand(utf8_valid(p.text, p.len) && p.wide == utf8_needed(p.text, p.len));
	if (p.domain && !p.wide)
		demand(smtp_domain_ok(p.text + p.domain, p.len - p.domain));
	m = snprintf(written, sizeof(written), "<%s>", p.text);
	demand(m < (int)sizeof(written));
	demand(smtp_path_parse(written, (size_t)m, kind, &again) == m);
	demand(again.len == p.len && again.domain == p.domain && strcmp(again.text, p.text) == 0);
	demand(p.loose || !again.loose);
	if (again.loose)
		check_strict(&again, kind);
	else if (p.domain)
		demand(*p.text == '"' || (*p.text != '.' && p.text[p.domain - 2] != '.' &&
					  !memmem(p.text, p.domain, "..", 2)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	check(text, size, SMTP_REVERSE);
	check(text, size, SMTP_FORWARD);
	if (smtp_domain_ok(text, size))
		demand(size <= SMTP_DOMAIN && !memchr(text, '\0', size));
	return 0;
}
