// SPDX-License-Identifier: GPL-2.0-or-later
#include "ailment.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *word, *mend;
} causes[AILMENT_MAX] = {
	[AILMENT_NONE] = {"none", ""},
	[AILMENT_SILENT] = {"silent",
			    "see whether it runs, and whether it can be reached from here"},
	[AILMENT_REFUSES] = {"refuses", "see its log, and whether it trusts this machine"},
	[AILMENT_NO_STARTTLS] = {"no_starttls", "switch STARTTLS on there, or set tls backend = "
						"opportunistic and reload"},
	[AILMENT_CERTIFICATE] = {"certificate",
				 "renew it there, or set tls backend_ca and backend_name to "
				 "what it has and reload"},
	[AILMENT_TLS] = {"tls", "see its log; it must speak TLS 1.2 or newer"},
	[AILMENT_BREAKS] = {"breaks", "see its log"},
};

/* Cold: readers are commands, writers have just lost a connection. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static enum ailment_cause cause_of(const struct ailment_end *end)
{
	if (!end->up)
		return AILMENT_BREAKS;
	if (end->distrusted)
		return AILMENT_CERTIFICATE;
	if (upstream_lacks_tls(end->up))
		return AILMENT_NO_STARTTLS;
	if (upstream_securing(end->up))
		return AILMENT_TLS;
	return end->up->state == UP_BROKEN ? AILMENT_REFUSES : AILMENT_SILENT;
}

void ailment_note(struct daemon *d, int which, const struct ailment_end *end)
{
	struct ailment *a = &d->ailments[which];

	pthread_mutex_lock(&lock);
	a->cause = cause_of(end);
	snprintf(a->why, sizeof(a->why), "%s", end->why);
	pthread_mutex_unlock(&lock);
}

void ailment_clear(struct daemon *d, int which)
{
	pthread_mutex_lock(&lock);
	d->ailments[which].cause = AILMENT_NONE;
	pthread_mutex_unlock(&lock);
}

void ailment_clear_all(struct daemon *d)
{
	pthread_mutex_lock(&lock);
	memset(d->ailments, 0, sizeof(d->ailments));
	pthread_mutex_unlock(&lock);
}

enum ailment_cause ailment_of(struct daemon *d, int which, struct ailment *ret)
{
	pthread_mutex_lock(&lock);
	*ret = d->ailments[which];
	pthread_mutex_unlock(&lock);
	return ret->cause;
}

const char *ailment_word(enum ailment_cause cause)
{
	return causes[cause].word;
}

const char *ailment_mend(enum ailment_cause cause)
{
	return causes[cause].mend;
}
