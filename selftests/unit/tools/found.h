/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What doctor has said, for tests that include its files. */
#ifndef UNIT_TOOLS_FOUND_H
#define UNIT_TOOLS_FOUND_H

static struct {
	enum doctor_level level;
	char check[32], what[200], mend[400];
} found[64];
static int count;

static inline void found_keep(enum doctor_level level, const char *check, const char *what,
			      const char *mend)
{
	assert_true(count < 64);
	found[count].level = level;
	snprintf(found[count].check, sizeof(found[0].check), "%s", check);
	snprintf(found[count].what, sizeof(found[0].what), "%s", what);
	snprintf(found[count++].mend, sizeof(found[0].mend), "%s", mend);
}

static inline void said(const char *check, enum doctor_level level, const char *mend)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(found[i].check, check) != 0)
			continue;
		if (found[i].level != level || strcmp(found[i].mend, mend) != 0)
			fail_msg("%s: level %d, mend \"%s\", not %d, \"%s\"", check, found[i].level,
				 found[i].mend, level, mend);
		return;
	}
	fail_msg("%s: nothing said", check);
}

#endif
