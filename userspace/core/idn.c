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

#define FLAGS (IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL)
#define DOMAIN 255 /* RFC 5321 4.5.3.1.2 */

bool idn_ascii(const char *domain, char *ret, size_t size)
{
	char *ascii = NULL;
	bool good;

	if (!utf8_needed(domain, strlen(domain)))
		return snprintf(ret, size, "%s", domain) < (int)size;
	good = idn2_to_ascii_8z(domain, &ascii, FLAGS) == IDN2_OK && strlen(ascii) < size &&
	       is_name(ascii);
	if (good)
		snprintf(ret, size, "%s", ascii);
	idn2_free(ascii);
	return good;
}

static size_t characters(const char *p, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += (p[i] & 0xc0) != 0x80;
	return count;
}

/* The three have the same labels: domain, as it was written; ascii, what that means; and back. */
static bool same_labels(const char *domain, const char *ascii, const char *back)
{
	static const char prefix[] = "xn--";

	for (;;) {
		size_t n = strcspn(domain, "."), a = strcspn(ascii, "."), b = strcspn(back, ".");

		if (utf8_needed(domain, n) && (characters(domain, n) != characters(back, b) ||
					       strncmp(ascii, prefix, strlen(prefix)) != 0))
			return false;
		domain += n;
		ascii += a;
		back += b;
		if (!*domain || !*ascii || !*back)
			return *domain == *ascii && *domain == *back;
		domain++;
		ascii++;
		back++;
	}
}

bool idn_valid(const char *domain, size_t len)
{
	char text[DOMAIN + 1], *ascii = NULL, *back = NULL;
	bool good;

	if (len > DOMAIN || memchr(domain, '\0', len))
		return false;
	memcpy(text, domain, len);
	text[len] = '\0';
	good = idn2_to_ascii_8z(text, &ascii, FLAGS) == IDN2_OK &&
	       idn2_to_unicode_8z8z(ascii, &back, 0) == IDN2_OK && is_name(ascii) &&
	       same_labels(text, ascii, back);
	idn2_free(ascii);
	idn2_free(back);
	return good;
}
