// SPDX-License-Identifier: GPL-2.0-or-later
#include "unheard.h"

#include <stdio.h>
#include <string.h>

#include "core/log.h"

#define LOOK_EVERY 10 /* s */
#define LEAST 3       /* connections within that, to judge by */

static atomic_bool unheard;

static const char why[] =
	"strangers that tc hands to the daemon do not reach it: a firewall of this "
	"machine drops them in its input rules, or changes their mark in prerouting, by "
	"which they go to the mail server; greygate doctor names the chain, greygated(8) "
	"the rule";

bool unheard_judge(const struct unheard_sums *before, const struct unheard_sums *after, bool was)
{
	const uint64_t handed = after->handed - before->handed;

	if (after->accepted != before->accepted)
		return false;
	/* Half: packets are on their way from one count to the other. */
	return was || (handed >= LEAST && after->segments - before->segments < handed / 2);
}

/* A line of names, and one of values in the same order. */
bool unheard_segments(const char *snmp, uint64_t *ret)
{
	const char *names = strstr(snmp, "\nTcp: ");
	const char *values = names ? strstr(names + 1, "\nTcp: ") : NULL;
	unsigned long long value;

	if (!values)
		return false;
	for (names++, values++; *names && *names != '\n';) {
		names += strcspn(names, " \n");
		values += strcspn(values, " \n");
		if (*names != ' ' || *values != ' ')
			return false;
		if (!strncmp(++names, "InSegs", 6) && strchr(" \n", names[6])) {
			if (sscanf(++values, "%llu", &value) != 1)
				return false;
			*ret = value;
			return true;
		}
		values++;
	}
	return false;
}

static bool read_segments(uint64_t *ret)
{
	char text[4096];
	FILE *f = fopen("/proc/net/snmp", "re");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	if (f)
		fclose(f);
	text[n] = '\0';
	return unheard_segments(text, ret);
}

/* Whether the kernel can hand anybody over: what goes past the daemon for want of a part, or by an
 * interface that another one stands over or before, no firewall has dropped. */
static bool hands_over(struct daemon *d, const struct config *c)
{
	struct fastpath_part parts[FASTPATH_PARTS];
	const int n = fastpath_parts(d->fastpath, parts);
	char text[FASTPATH_PORT], mend[FASTPATH_PORT], upper[16], kind[16];

	for (int i = 0; i < n; i++)
		if (parts[i].state != FASTPATH_STANDS &&
		    (parts[i].kind == FASTPATH_POLICY || parts[i].kind == FASTPATH_TC))
			return false;
	for (int i = 0; i < c->interface_count; i++)
		if (fastpath_port(c->interfaces[i], text) ||
		    fastpath_ahead(c->interfaces[i], text, mend) ||
		    fastpath_upper(c->interfaces[i], c->interfaces, c->interface_count, upper,
				   kind))
			return false;
	return true;
}

void unheard_step(struct daemon *d)
{
	static struct unheard_sums before;
	static unsigned ticks;
	static bool known;
	const bool was = atomic_load(&unheard);
	uint64_t stats[GG_STAT_MAX];
	struct unheard_sums now;
	const struct config *c = atomic_load(&d->config);
	bool is;

	if (!d->fastpath || c->mode != GG_MODE_GATEWAY || ticks++ % LOOK_EVERY)
		return;
	/* What is missing is told by itself. */
	if (!hands_over(d, c)) {
		known = false;
		atomic_store(&unheard, false);
		return;
	}
	now.accepted = daemon_count(d, COUNT_connections);
	if (fastpath_stats(d->fastpath, stats) || !read_segments(&now.segments))
		return;
	now.handed = stats[GG_STAT_tc_daemon];
	is = known && unheard_judge(&before, &now, was);
	if (is != was)
		log_message(LOG_KERNEL, "%s", is ? why : "strangers reach the daemon again");
	atomic_store(&unheard, is);
	/* What is handed over while the sums are read must not be missed among the segments later.
	 */
	known = !fastpath_stats(d->fastpath, stats);
	now.handed = stats[GG_STAT_tc_daemon];
	before = now;
}

const char *unheard_why(void)
{
	return atomic_load(&unheard) ? why : NULL;
}
