/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A greeting that ends with what the mail server says. */
#ifndef UNIT_BACKEND_GREETING_H
#define UNIT_BACKEND_GREETING_H

#include "relay/upstream.h"

#include <string.h>

/* says: "": it closes. The machine is the same one each time. */
static inline const struct upstream *greeting(const char *says, enum upstream_tls tls)
{
	const struct upstream_client client = {.our_name = "x", .tls = tls};
	static struct upstream u;
	struct upstream_out out;
	enum upstream_act act;

	upstream_init(&u);
	upstream_connected(&u);
	for (size_t at = 0; says[at];)
		at += upstream_input(&u, &client, says + at, strlen(says + at), &out, &act);
	return &u;
}

#endif
