/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this room share. */
#ifndef POLICY_INTERNAL_H
#define POLICY_INTERNAL_H

#include "policy.h"

/* policy_dynamic for a name whose organisational domain (or NULL) is known already. */
bool looks_dynamic(const char *name, const char *organisation, const struct addr *src);

/* Let through without asking the records. */
bool is_exempt(const struct policy_attempt *a);
/* Class of an attempt that is not, when it is known whether its confirmed name looks dynamic. */
enum policy_class class_of(const struct policy_attempt *a, bool dynamic);

#endif
