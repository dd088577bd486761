// SPDX-License-Identifier: GPL-2.0-or-later
/* The delay class that the evidence of a session speaks for. */
#include "internal.h"

bool misbehaves(const struct policy_evidence *e)
{
	return e->early_talk || e->early_pipelining || e->bad_helo || e->not_smtp ||
	       e->many_errors || e->bad_path;
}

bool is_suspect(const struct policy_evidence *e, bool dynamic)
{
	return dynamic || misbehaves(e) || e->list_score > 0 || e->spf == SPF_FAIL;
}

static bool suspicious(const struct policy_evidence *e, bool dynamic)
{
	return is_suspect(e, dynamic) || e->name_state == NAME_NONE ||
	       e->name_state == NAME_UNCONFIRMED;
}

bool policy_vouched(const struct policy_evidence *e)
{
	return e && e->list_score < 0 && !misbehaves(e);
}

bool is_exempt(const struct policy_attempt *a)
{
	/* That others vouch for it outweighs what its provider has done to its name. */
	return a->exempt || policy_recipient_exempt(a->recipient) || policy_vouched(a->evidence);
}

enum policy_class class_of(const struct policy_attempt *a, bool dynamic)
{
	const struct policy_evidence *e = a->evidence;

	if (!e)
		return CLASS_DEFAULT;
	if (suspicious(e, dynamic))
		return CLASS_SUSPICIOUS;
	return e->name_state == NAME_CONFIRMED && e->spf == SPF_PASS ? CLASS_CLEAN : CLASS_DEFAULT;
}

enum policy_class policy_classify(const struct policy_attempt *a)
{
	const struct policy_evidence *e = a->evidence;

	if (is_exempt(a))
		return CLASS_EXEMPT;
	return class_of(a,
			e && e->name_state == NAME_CONFIRMED && policy_dynamic(e->name, &a->src));
}
