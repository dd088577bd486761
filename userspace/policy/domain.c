// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Domains: those that organisations have, by the list that libpsl carries in itself (no file is
 * read), and the one spelling of those that have two (RFC 5891).
 */
#include <idn2.h>
#include <libpsl.h>
#include <stdio.h>
#include <string.h>

#include "../core/utf8.h"

#include "policy.h"

const char *policy_organisation(const char *name)
{
	const psl_ctx_t *list = psl_builtin();

	return list && *name ? psl_registrable_domain(list, name) : NULL;
}

bool policy_ascii_domain(const char *domain, char *ret, size_t size)
{
	char *ascii = NULL;
	bool good;

	if (!utf8_needed(domain, strlen(domain)))
		return snprintf(ret, size, "%s", domain) < (int)size;
	good = idn2_to_ascii_8z(domain, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK &&
	       strlen(ascii) < size;
	if (good)
		snprintf(ret, size, "%s", ascii);
	idn2_free(ascii);
	return good;
}
