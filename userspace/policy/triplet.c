// SPDX-License-Identifier: GPL-2.0-or-later
/* Triplets: what an attempt is known by, and the tags under which records stand in the table. */
#include <string.h>

#include "../core/hash.h"
#include "internal.h"

/* First byte of everything that is hashed to a tag, so that tags of different kinds never meet
 * whatever text a client sends. */
enum tag_kind {
	TAG_TRIPLET = 't',
	TAG_PAIR = 'p',
	TAG_SOURCE = 's',
	TAG_NETWORK = 'n',
	TAG_TRAP = 'm',
	TAG_PATTERN = 'g',
	TAG_HOSTED = 'h',
	TAG_CONDUCT = 'c',
	TAG_VISIT = 'v',
	TAG_CORRESPONDENT = 'w',
};

static uint64_t plain_tag(const struct policy_conf *c, enum tag_kind kind, const void *data,
			  size_t len)
{
	const uint8_t head = (uint8_t)kind;
	const struct hash_piece pieces[] = {{&head, 1}, {data, len}};

	return hash_pieces(c->key, pieces, 2);
}

uint64_t policy_pair(const struct policy_conf *c, const char *normalised, const char *recipient)
{
	char canonical[POLICY_MAILBOX];
	const uint8_t head = TAG_PAIR;

	policy_canonical(recipient, canonical, sizeof(canonical));
	{
		const struct hash_piece pieces[] = {
			{&head, 1},
			{normalised, strlen(normalised)},
			{canonical, strlen(canonical)},
		};

		return hash_pieces(c->key, pieces, sizeof(pieces) / sizeof(pieces[0]));
	}
}

/* The low byte is the pair's alone: policy_delay draws the jitter from it. Two pairs meet as seldom
 * as before, because that byte tells them apart too. */
static struct policy_identity identity(const struct policy_conf *c, enum policy_rung rung,
				       const void *data, size_t len, uint64_t pair)
{
	const uint8_t head[2] = {TAG_TRIPLET, (uint8_t)rung};
	const struct hash_piece pieces[] = {
		{head, sizeof(head)}, {data, len}, {&pair, sizeof(pair)}};
	uint64_t tag = hash_pieces(c->key, pieces, sizeof(pieces) / sizeof(pieces[0]));

	return (struct policy_identity){rung,
					table_tag_fix((tag & ~UINT64_C(0xff)) | (pair & 0xff))};
}

int policy_identities(const struct policy_conf *c, const struct policy_attempt *a,
		      struct policy_identity ret[POLICY_RUNGS])
{
	char sender[POLICY_MAILBOX];

	policy_normalise(a->sender, sender, sizeof(sender));
	return policy_identities_of(c, a, policy_pair(c, sender, a->recipient), ret);
}

/* Whose the SPF pass is. Of the null sender it is that of a name in HELO (RFC 7208 2.4), and each
 * host of a pool has its own. */
static const char *spf_domain(const struct policy_attempt *a)
{
	const char *domain = a->evidence->spf_domain, *organisation;

	if (a->sender[0])
		return domain;
	organisation = policy_organisation(domain);
	return organisation && !looks_dynamic(domain, organisation, &a->src) ? organisation
									     : domain;
}

int policy_identities_of(const struct policy_conf *c, const struct policy_attempt *a, uint64_t pair,
			 struct policy_identity ret[POLICY_RUNGS])
{
	const struct policy_evidence *e = a->evidence;
	const char *organisation, *domain;
	struct addr network;
	int n = 0;

	if (c->match == MATCH_ADDRESS) {
		ret[0] = identity(c, RUNG_ADDRESS, a->src.b, sizeof(a->src.b), pair);
		return 1;
	}
	if (e && e->spf == SPF_PASS && e->spf_domain[0]) {
		domain = spf_domain(a);
		ret[n++] = identity(c, RUNG_SPF, domain, strlen(domain), pair);
	}
	if (e && e->name_state == NAME_CONFIRMED) {
		organisation = policy_organisation(e->name);
		if (organisation && !looks_dynamic(e->name, organisation, &a->src))
			ret[n++] = identity(c, RUNG_NAME, organisation, strlen(organisation), pair);
	}
	network = addr_network(&a->src).addr;
	ret[n++] = identity(c, RUNG_NETWORK, network.b, sizeof(network.b), pair);
	return n;
}

static uint64_t mailbox_tag(const struct policy_conf *c, enum tag_kind kind, const char *mailbox)
{
	char text[POLICY_MAILBOX];

	policy_canonical(mailbox, text, sizeof(text));
	return plain_tag(c, kind, text, strlen(text));
}

uint64_t policy_trap_tag(const struct policy_conf *c, const char *mailbox)
{
	return mailbox_tag(c, TAG_TRAP, mailbox);
}

uint64_t policy_pattern_tag(const struct policy_conf *c, const char *pattern)
{
	return mailbox_tag(c, TAG_PATTERN, pattern);
}

uint64_t policy_source_tag(const struct policy_conf *c, const struct addr *src)
{
	return plain_tag(c, TAG_SOURCE, src->b, sizeof(src->b));
}

uint64_t policy_network_tag(const struct policy_conf *c, const struct addr *src)
{
	struct addr network = addr_network(src).addr;

	return plain_tag(c, TAG_NETWORK, network.b, sizeof(network.b));
}

uint64_t policy_hosted_tag(const struct policy_conf *c, const char *domain)
{
	return plain_tag(c, TAG_HOSTED, domain, strlen(domain));
}

uint64_t policy_conduct_tag(const struct policy_conf *c, const struct addr *src)
{
	struct prefix p = addr_is4(src) ? addr_host(src) : addr_network(src);

	return plain_tag(c, TAG_CONDUCT, p.addr.b, sizeof(p.addr.b));
}

uint64_t policy_visit_tag(const struct policy_conf *c, const struct addr *src)
{
	struct addr network = addr_network(src).addr;

	return plain_tag(c, TAG_VISIT, network.b, sizeof(network.b));
}

uint64_t policy_correspondent_tag(const struct policy_conf *c, const char *domain)
{
	return plain_tag(c, TAG_CORRESPONDENT, domain, strlen(domain));
}
