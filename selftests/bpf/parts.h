/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a start has put in the way of packets, part by part, and how it is put back. */
#ifndef SELFTESTS_BPF_PARTS_H
#define SELFTESTS_BPF_PARTS_H

#include "start.h"

static inline struct fastpath_part part(struct fastpath *fp, enum fastpath_kind kind,
					const char *interface)
{
	struct fastpath_part parts[FASTPATH_PARTS];

	for (int i = 0, n = fastpath_parts(fp, parts); i < n; i++)
		if (parts[i].kind == kind && !strcmp(parts[i].interface, interface))
			return parts[i];
	fail_msg("no part of kind %d on \"%s\"", kind, interface);
	return parts[0];
}

static inline enum fastpath_state state_of(struct fastpath *fp, enum fastpath_kind kind,
					   const char *interface)
{
	return part(fp, kind, interface).state;
}

static inline int missing(struct fastpath *fp)
{
	struct fastpath_part parts[FASTPATH_PARTS];
	int count = 0;

	for (int i = 0, n = fastpath_parts(fp, parts); i < n; i++)
		count += parts[i].state != FASTPATH_STANDS;
	return count;
}

static inline void adopt(const struct fastpath_part *p, int link, void *fp)
{
	fastpath_mended(fp, p, link < 0 ? -1 : dup(link));
}

static inline void mend(struct fastpath *fp, const struct fastpath_conf *conf)
{
	char err[400] = "";

	if (fastpath_mend(conf, adopt, fp, err, sizeof(err)))
		fail_msg("fastpath_mend: %s", err);
}

static inline void mend_all(struct fastpath *fp, const struct fastpath_conf *conf)
{
	mend(fp, conf);
	assert_int_equal(missing(fp), 0);
}

#endif
