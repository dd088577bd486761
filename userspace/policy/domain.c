// SPDX-License-Identifier: GPL-2.0-or-later
/* Domains that organisations have, by the list that libpsl carries in itself: no file is read. */
#include <libpsl.h>

#include "policy.h"

const char *policy_organisation(const char *name)
{
	const psl_ctx_t *list = psl_builtin();

	return list && *name ? psl_registrable_domain(list, name) : NULL;
}
