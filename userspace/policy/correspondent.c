// SPDX-License-Identifier: GPL-2.0-or-later
/* Which organisations a source has proven to belong to. */
#include "internal.h"

int policy_proven(const struct policy_evidence *e, const struct addr *src,
		  const char *ret[POLICY_PROVEN])
{
	const char *organisation;
	int n = 0;

	if (!e || misbehaves(e) || e->list_score > 0)
		return 0;
	if (e->spf == SPF_PASS && e->spf_domain[0]) {
		organisation = policy_organisation(e->spf_domain);
		if (organisation)
			ret[n++] = organisation;
	}
	if (e->name_state == NAME_CONFIRMED) {
		organisation = policy_organisation(e->name);
		if (organisation && !looks_dynamic(e->name, organisation, src))
			ret[n++] = organisation;
	}
	return n;
}
