/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A configuration from a text, for tests that are about what it says. */
#ifndef UNIT_CONFIG_PARSE_H
#define UNIT_CONFIG_PARSE_H

#include "config/config.h"

/* What every configuration needs, on two lines. */
#define GOOD "listen = {\"127.0.0.1:2525\"}\nbackend = {\"127.0.0.1:10025\"}\n"

static inline struct config *parse(const char *text)
{
	struct config *c = NULL;
	char err[8192];

	if (config_parse("F", text, &c, err, sizeof(err)))
		fail_msg("%s\nof\n%s", err, text);
	return c;
}

#endif
