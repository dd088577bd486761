// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Gateway mode: by which interfaces the protected addresses are reached. What they answer the
 * daemon comes home by the tc program there.
 */
#include <errno.h>
#include <stdio.h>

#include "../userspace/fastpath/fastpath.h"
#include "doctor.h"

/* Why an interface can lead nowhere, and what mends it; false: nothing is known against it. */
static bool ails(const struct doctor *d, const char *name, bool is4, char why[80], char mend[200])
{
	const int mtu = doctor_mtu(name);
	char path[120];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	if (doctor_down(name)) {
		snprintf(why, 80, "%s is down", name);
		snprintf(mend, 200, "ip link set dev %s up", name);
	} else if (!is4 && mtu && mtu < DOCTOR_MTU6) {
		snprintf(why, 80, "%s has no IPv6, its MTU of %d is below %d", name, mtu,
			 DOCTOR_MTU6);
		snprintf(mend, 200, "ip link set dev %s mtu 1500", name);
	} else if (!is4 && doctor_number(d, path) == 1) {
		snprintf(why, 80, "%s has no IPv6, disable_ipv6 is 1", name);
		doctor_mend_sysctl(mend, 200, 6, name, "disable_ipv6", 0);
	} else {
		return false;
	}
	return true;
}

/* The same of the interface by which an address should be reached, or of any one that may be it. */
static bool cannot(const struct doctor *d, const struct fastpath_way *w, char why[80],
		   char mend[200])
{
	const struct config *c = d->config;
	const bool is4 = addr_is4(&w->to->addr);

	if (!w->code || w->code == -ENODEV)
		return false;
	if (*w->out)
		return ails(d, w->out, is4, why, mend);
	for (int i = 0; c && i < c->interface_count; i++)
		if (ails(d, c->interfaces[i], is4, why, mend))
			return true;
	return false;
}

void doctor_way(const struct doctor *d, const struct fastpath_way *w)
{
	char what[FASTPATH_NO_WAY], why[80], mend[500], text[ENDPOINT_TEXT];

	endpoint_text(w->to, text);
	if (cannot(d, w, why, mend)) {
		doctor_say(d, DOCTOR_FAIL, "way", "", mend, "no route to %s: %s", text, why);
	} else if (w->code) {
		fastpath_no_way(w, what, mend);
		doctor_say(d, DOCTOR_FAIL, "way", "", mend, "%s", what);
	} else if (w->named) {
		doctor_say(d, DOCTOR_OK, "way", w->out, "", "leads to %s", text);
	} else {
		doctor_mend_unnamed(d, w->out, mend, sizeof(mend));
		doctor_say(d, DOCTOR_FAIL, "way", w->out, mend,
			   "leads to %s and is not in interfaces: its answers go past the daemon",
			   text);
	}
}

/* By what strangers may go past the programs of an interface. */
static void say_past(const struct doctor *d, const char *interface)
{
	char what[FASTPATH_PORT], mend[FASTPATH_PORT + 200], upper[16], kind[16];
	const struct config *c = d->config;

	if (fastpath_ahead(interface, what, mend) || fastpath_tcx(interface, what, mend))
		doctor_say(d, DOCTOR_WARN, "way", "", mend, "%s", what);
	if (!fastpath_upper(interface, c->interfaces, c->interface_count, upper, kind))
		return;
	doctor_mend_unnamed(d, upper, mend, sizeof(mend));
	doctor_say(d, DOCTOR_FAIL, "way", "", mend, FASTPATH_UPPER, interface, upper, kind);
}

void doctor_ways(const struct doctor *d)
{
	const struct config *c = d->config;
	struct fastpath_way ways[CONFIG_TARGETS];
	int n = fastpath_ways(c->protect, c->protect_count, c->interfaces, c->interface_count,
			      ways);

	for (int i = 0; i < n; i++)
		doctor_way(d, &ways[i]);
	for (int i = 0; i < c->interface_count; i++)
		say_past(d, c->interfaces[i]);
}
