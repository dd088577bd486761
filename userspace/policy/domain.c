// SPDX-License-Identifier: GPL-2.0-or-later
/* Domains that organisations have, by the Public Suffix List that greygate was built with. */
#include <stdbool.h>
#include <string.h>

#include "policy.h"
#include "suffix.h"

#include <suffix_list.h>

/*
 * From right to left, for most names end at the second label: no rule goes on there. The longest
 * suffix that a rule makes public counts. The root is like "*.": any top-level domain is public.
 */
const char *policy_organisation(const char *name)
{
	const char *end = name + strlen(name), *label, *organisation = NULL;
	uint8_t flags = SUFFIX_WILDCARD | SUFFIX_PARENT; /* of what stands right of the label */
	uint8_t below;                                   /* of both together */
	uint16_t parent = SUFFIX_ROOT;
	bool is_public = false;
	uint32_t hash;

	do {
		label = suffix_label(name, end, parent, &hash);
		if (label == end)
			break;
		if (is_public)
			organisation = label;
		below = 0;
		if (flags & SUFFIX_PARENT) {
			parent = suffix_slot(suffix_table, suffix_labels, parent, label,
					     (size_t)(end - label), hash);
			below = suffix_table[parent].flags;
		}
		is_public = !(below & SUFFIX_EXCEPTION) &&
			    (below & SUFFIX_RULE || flags & SUFFIX_WILDCARD);
		flags = below;
		end = label - 1;
	} while (label > name && (flags || is_public));
	return is_public ? NULL : organisation;
}
