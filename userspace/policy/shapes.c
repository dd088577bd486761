// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What names look like that are made by a rule, whatever address they belong to: behind a
 * translator of addresses, or in a zone that nobody has kept, that is another than the client's.
 */
#include <string.h>

#include "internal.h"

/* Names that providers give to every machine and line they have. */
static const char *const suffixes[] = {
	".compute.amazonaws.com",
	".compute-1.amazonaws.com",
	".compute.internal",
	".bc.googleusercontent.com",
	".cloudapp.net",
	".cloudapp.azure.com",
	".ip.linodeusercontent.com",
	".members.linode.com",
	".vultrusercontent.com",
	".contaboserver.net",
	".t-ipconnect.de",
	".versanet.de",
	".stratoserver.net",
	".onlinehome-server.info",
	".vps.ovh.net",
	".hstgr.cloud",
	".clients.your-server.de",
	".hinet-ip.hinet.net",
	".dynamic.hinet.net",
	".retail.telecomitalia.it",
	".business.telecomitalia.it",
	".abo.wanadoo.fr",
	".fbx.proxad.net",
	".btcentralplus.com",
	".rr.com",
	".in-addr.arpa",
	".ip6.arpa",
};

/*
 * How the others begin, at the border of a word:
 *
 *	#  a number up to 255     -  a hyphen or a dot
 *	9  a digit                .  the end of the label
 *	%  a hex digit            the rest stands for itself
 *	@  a letter that is none
 *
 * anywhere: also in the domain that is registered, for some have one for each network. People count
 * their own machines from one; providers have thousands.
 */
static const struct {
	const char *text;
	bool anywhere;
} shapes[] = {
	{"#-#-#-#", false},      /* 84-208-100-77 */
	{"ip-#-#-#", true},      /* ns3012345.ip-198-51-100.eu */
	{"cm-#-#", false},       /* cable modems: cm-100-77 */
	{"@%%%%%%%%.", false},   /* i5e8699d0 */
	{"vps999", true},        /* vps12345 */
	{"vps-%%%%%%%%", false}, /* vps-1f2e3d4c */
	{"vds999", true},        /* vds4711 */
	{"vmi99999", false},     /* vmi1234567 */
	{"kvm99999", false},     /* kvm12345 */
	{"vm99999", false},      /* vm12345 */
	{"srv99999", false},     /* srv512345 */
	{"ns99999", false},      /* ns3012345 */
	{"server99999", false},  /* server12345 */
};

bool shape_owned(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t tail = strlen(suffixes[i]);

		if (len > tail && !memcmp(name + len - tail, suffixes[i], tail))
			return true;
	}
	return false;
}

/* Moves over a number up to 255, the whole run of digits. */
static bool take_number(const char **p)
{
	int value = 0, digits = 0;

	for (; is_digit(**p); (*p)++) {
		if (++digits > 3)
			return false;
		value = value * 10 + (**p - '0');
	}
	return digits && value <= 255;
}

static bool is_one(char c, char shape)
{
	switch (shape) {
	case '-':
		return c == '-' || c == '.';
	case '.':
		return c == '.' || !c;
	case '9':
		return is_digit(c);
	case '%':
		return is_hex(c);
	case '@':
		return is_word(c) && !is_hex(c);
	default:
		return c == shape;
	}
}

/* Bytes at p that have the shape, 0 when they have not. */
static size_t matches(const char *p, const char *shape)
{
	const char *begin = p;

	for (; *shape; shape++) {
		if (*shape == '#') {
			if (!take_number(&p))
				return 0;
			continue;
		}
		if (!is_one(*p, *shape))
			return 0;
		p += *p != 0;
	}
	return (size_t)(p - begin);
}

/* Whether the label, behind the letters it may begin with, is an IPv6 address that is in use on the
 * net (2000::/3), with hyphens for colons. */
static bool is_address6(const char *label)
{
	size_t len = strcspn(label, "."), n = 0;
	char text[ADDR_TEXT];
	struct addr addr;

	while (len && !is_digit(*label)) {
		label++;
		len--;
	}
	if (len < 6 || len >= sizeof(text) || label[4] != '-')
		return false;
	for (; n < len; n++)
		text[n] = (char)(label[n] == '-' ? ':' : label[n]);
	text[n] = 0;
	return addr_parse(text, &addr) == 0 && addr.b[0] >> 5 == 1;
}

bool shape_made(const char *name, size_t host)
{
	for (size_t at = 0; name[at] && at <= host; at++) {
		bool label = !at || name[at - 1] == '.';

		/* A number may stand right behind a word. */
		if (at && is_word(name[at - 1]) && (!is_digit(name[at]) || is_digit(name[at - 1])))
			continue;
		for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
			size_t len = matches(name + at, shapes[i].text);

			if (len && (shapes[i].anywhere || at + len <= host))
				return true;
		}
		if (label && at < host && is_address6(name + at))
			return true;
	}
	return false;
}
