// SPDX-License-Identifier: GPL-2.0-or-later
/* Triplets: what an attempt is known by, and the tags under which records stand in the table. */
#include <string.h>

#include "../core/hash.h"
#include "policy.h"

/* First byte of everything that is hashed to a tag, so that tags of different kinds never meet
 * whatever text a client sends. */
enum tag_kind { TAG_TRIPLET = 't', TAG_SOURCE = 's', TAG_TRAP = 'm' };

static uint64_t triplet_tag(const struct policy_conf *c, enum policy_rung rung,
			    const void *identity, size_t len, const char *sender,
			    const char *recipient)
{
	const uint8_t head[2] = {TAG_TRIPLET, (uint8_t)rung};
	const struct hash_piece pieces[] = {
		{head, sizeof(head)},
		{identity, len},
		{sender, strlen(sender)},
		{recipient, strlen(recipient)},
	};

	return hash_pieces(c->key, pieces, sizeof(pieces) / sizeof(pieces[0]));
}

static uint64_t plain_tag(const struct policy_conf *c, enum tag_kind kind, const void *data,
			  size_t len)
{
	const uint8_t head = (uint8_t)kind;
	const struct hash_piece pieces[] = {{&head, 1}, {data, len}};

	return hash_pieces(c->key, pieces, 2);
}

int policy_identities(const struct policy_conf *c, const struct policy_attempt *a,
		      struct policy_identity ret[POLICY_RUNGS])
{
	char sender[POLICY_MAILBOX], recipient[POLICY_MAILBOX];
	struct addr source = a->src;
	enum policy_rung rung = RUNG_ADDRESS;

	policy_canonical(a->sender, sender, sizeof(sender));
	policy_canonical(a->recipient, recipient, sizeof(recipient));
	if (c->match == MATCH_NETWORK) {
		rung = RUNG_NETWORK;
		source = addr_network(&a->src).addr;
	}
	ret[0].rung = rung;
	ret[0].tag = triplet_tag(c, rung, source.b, sizeof(source.b), sender, recipient);
	return 1;
}

uint64_t policy_trap_tag(const struct policy_conf *c, const char *mailbox)
{
	char text[POLICY_MAILBOX];

	policy_canonical(mailbox, text, sizeof(text));
	return plain_tag(c, TAG_TRAP, text, strlen(text));
}

uint64_t policy_source_tag(const struct policy_conf *c, const struct addr *src)
{
	return plain_tag(c, TAG_SOURCE, src->b, sizeof(src->b));
}
