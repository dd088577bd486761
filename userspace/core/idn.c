// SPDX-License-Identifier: GPL-2.0-or-later
#include "idn.h"

#include <idn2.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

/* Of a domain, and of a pattern for domains: what the mapping makes of a wide "@" is neither. */
static bool is_name(const char *text)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789-_.*";

	return !text[strspn(text, good)];
}

bool idn_ascii(const char *domain, char *ret, size_t size)
{
	char *ascii = NULL;
	bool good;

	if (!utf8_needed(domain, strlen(domain)))
		return snprintf(ret, size, "%s", domain) < (int)size;
	good = idn2_to_ascii_8z(domain, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK &&
	       strlen(ascii) < size && is_name(ascii);
	if (good)
		snprintf(ret, size, "%s", ascii);
	idn2_free(ascii);
	return good;
}
