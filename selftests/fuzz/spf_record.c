// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An SPF check whose every answer is made of the input: each line is the next answer's record. It
 * ends with a result after a bounded number of questions, all of which can be asked.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dns/name.h"
#include "dns/spf.h"

#define QUESTIONS 250 /* ten terms, each an MX of ten names, and the names of the client */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void trace(void *arg, int depth, const char *line)
{
	(void)arg;
	if (depth < 0 || depth > SPF_LOOKUPS || strlen(line) > 1100)
		abort();
}

/* Takes a line off the input as an answer of the type; its first byte says how good a one. */
static void answer(const uint8_t **data, size_t *size, enum dns_type type, struct dns_answer *a)
{
	const uint8_t *end = *size ? memchr(*data, '\n', *size) : NULL;
	size_t len = end ? (size_t)(end - *data) : *size;
	uint8_t bytes[DNS_NAME + 2] = {0};

	memset(a, 0, offsetof(struct dns_answer, data));
	a->status = DNS_NONE;
	if (len && **data < 4) {
		a->status = **data;
	} else if (len) {
		size_t want = type == DNS_A ? 4 : type == DNS_AAAA ? 16 : len % DNS_NAME;

		memcpy(bytes, *data, len < want ? len : want);
		for (int i = 0; i < 1 + **data % 12; i++)
			dns_record_add(a, type == DNS_TXT ? *data : bytes,
				       type == DNS_TXT ? len : want);
		a->status = DNS_FOUND;
	}
	*data += len + (end ? 1 : 0);
	*size -= len + (end ? 1 : 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dns_answer a;
	static struct spf s;
	struct spf_query q = {.helo = "helo.example.org",
			      .sender = "a-b.c+d@example.org",
			      .receiver = "mx.example.net",
			      .now = 1,
			      .trace = trace};
	struct spf_macro m = {.local = "a-b.c",
			      .sender_domain = "example.org",
			      .domain = "example.net",
			      .helo = "h",
			      .receiver = "r",
			      .validated = "unknown"};
	char name[DNS_NAME], text[SPF_EXPLANATION];
	const char *input = (const char *)data;

	if (!size)
		return 0;
	if (spf_macro_ok(input, size, true) && spf_macro_text(&m, input, size, text) &&
	    strlen(text) >= sizeof(text))
		abort();
	if (spf_macro_ok(input, size, false)) {
		spf_macro_name(&m, input, size, name);
		if (strlen(name) >= sizeof(name))
			abort();
	}
	addr_parse(*data & 1 ? "192.0.2.7" : "2001:db8::7", &q.addr);
	data++;
	size--;
	spf_begin(&s, &q);
	for (int i = 0; spf_next(&s) == SPF_ASK; i++) {
		if (i > QUESTIONS || !name_askable(s.question.name))
			abort();
		/* The first answer is a whole record. */
		answer(&data, &size, s.question.type, &a);
		if (!i && a.status == DNS_FOUND) {
			a.count = 0;
			a.len = 0;
			dns_record_add(&a, input + 1, (size_t)((const char *)data - input) - 1);
		}
		spf_answer(&s, &a);
	}
	if (s.result >= SPF_R_MAX || !spf_result_text(s.result))
		abort();
	return 0;
}
