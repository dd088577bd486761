// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a stranger says of itself, through the policy: four lines are sender, host name, HELO and
 * recipient. Canonical forms stay within their room and stay what they are when they are made
 * again; what a person may be called stays whole; the same attempt is known by the same tags.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"

#define LINES 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool truth)
{
	if (!truth)
		abort();
}

static void lower(char *text)
{
	for (; *text; text++)
		*text = (char)(*text >= 'A' && *text <= 'Z' ? *text - 'A' + 'a' : *text);
}

/* A name of few letters and nothing else before the domain: nobody's system made that up. */
static bool personal(const char *mailbox)
{
	size_t n = strspn(mailbox, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

	return n >= 1 && n <= 12 && mailbox[n] == '@' && !strchr(mailbox + n + 1, '@');
}

static void mailbox(const char *text)
{
	char canonical[POLICY_MAILBOX], again[POLICY_MAILBOX], normal[POLICY_MAILBOX], small[8];

	policy_canonical(text, canonical, sizeof(canonical));
	policy_normalise(text, normal, sizeof(normal));
	demand(strlen(canonical) < sizeof(canonical) && strlen(normal) < sizeof(normal));
	policy_normalise(text, again, sizeof(again));
	demand(!strcmp(normal, again));
	if (personal(text))
		demand(!strcmp(canonical, normal));
	policy_canonical(text, small, sizeof(small));
	demand(strlen(small) < sizeof(small) && !strncmp(small, canonical, strlen(small)));
	policy_normalise(text, small, sizeof(small));
	demand(strlen(small) < sizeof(small));
	for (int n = 0; policy_domain_form(text, n, again); n++)
		demand(strlen(again) < sizeof(again) && n < 260);
}

static void attempt(const struct policy_attempt *a)
{
	const struct policy_conf c = {.match = MATCH_NETWORK, .key = "names"};
	struct policy_identity ids[POLICY_RUNGS], again[POLICY_RUNGS];
	const char *proven[POLICY_PROVEN];
	int n = policy_identities(&c, a, ids);

	demand(n >= 1 && n <= POLICY_RUNGS);
	demand(policy_identities(&c, a, again) == n);
	for (int i = 0; i < n; i++) {
		demand(ids[i].rung == again[i].rung && ids[i].tag == again[i].tag);
		demand(!i || ids[i].rung < ids[i - 1].rung);
	}
	demand(policy_classify(a) < CLASS_MAX);
	demand(policy_proven(a->evidence, &a->src, proven) <= POLICY_PROVEN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct addr address = {{[10] = 0xff, 0xff, 192, 0, 2, 7}};
	struct policy_evidence e = {.name_state = NAME_CONFIRMED, .spf = SPF_PASS};
	struct policy_attempt a = {.src = address, .evidence = &e};
	char *text = strndup((const char *)data, size), *rest = text, *line[LINES];
	const char *organisation;

	demand(text != NULL);
	for (int i = 0; i < LINES; i++) {
		line[i] = rest ? strsep(&rest, "\n") : text + strlen(text);
		if (strlen(line[i]) > 600)
			line[i][600] = '\0';
	}
	a.sender = line[0];
	a.recipient = line[3];
	snprintf(e.name, sizeof(e.name), "%s", line[1]);
	lower(e.name);
	snprintf(e.spf_domain, sizeof(e.spf_domain), "%s", line[2]);
	lower(e.spf_domain);

	mailbox(line[0]);
	mailbox(line[3]);
	organisation = policy_organisation(e.name);
	demand(!organisation || (organisation >= e.name && organisation < e.name + strlen(e.name)));
	policy_dynamic(e.name, &a.src);
	policy_helo_bad(line[2], &a.src, "mx.example.net");
	policy_recipient_exempt(line[3]);
	if (strchr(line[3], '@'))
		policy_pattern_match(line[0], line[3]);
	policy_domain_match(line[1], line[2]);
	attempt(&a);
	free(text);
	return 0;
}
