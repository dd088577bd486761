// SPDX-License-Identifier: GPL-2.0-or-later
/* The stable words of log, CLI and manual. */
#include "policy.h"

static const char *const reason_text[REASON_MAX] = {
	[REASON_FIRST] = "first",
	[REASON_EARLY] = "early",
	[REASON_LATE] = "late",
	[REASON_MATURE] = "mature",
	[REASON_KNOWN] = "known",
	[REASON_LEARN] = "learn",
	[REASON_OFF] = "off",
	[REASON_EXEMPT] = "exempt",
	[REASON_CORRESPONDENT] = "correspondent",
	[REASON_LIST] = "list",
};

static const char *const class_text[CLASS_MAX] = {
	[CLASS_EXEMPT] = "exempt",
	[CLASS_CLEAN] = "clean",
	[CLASS_DEFAULT] = "default",
	[CLASS_SUSPICIOUS] = "suspicious",
};

static const char *const rung_text[POLICY_RUNGS + 1] = {
	[RUNG_ADDRESS] = "address",
	[RUNG_NETWORK] = "network",
	[RUNG_NAME] = "name",
	[RUNG_SPF] = "spf",
};

/* Classes and rungs come back from the store, so a number beyond the table is possible. */
static const char *word(const char *const *table, unsigned int size, unsigned int i)
{
	return i < size && table[i] ? table[i] : "unknown";
}

const char *policy_reason_text(enum policy_reason r)
{
	return word(reason_text, REASON_MAX, r);
}

const char *policy_class_text(enum policy_class c)
{
	return word(class_text, CLASS_MAX, c);
}

const char *policy_rung_text(enum policy_rung r)
{
	return word(rung_text, POLICY_RUNGS + 1, r);
}
