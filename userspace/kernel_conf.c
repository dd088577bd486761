// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel_conf.h"

#define HEARTBEAT_LIMIT 10 /* s */

/* The tc program of gateway mode is there without XDP too. */
static int interfaces_used(const struct config *c)
{
	return c->xdp == FASTPATH_OFF && c->mode != GG_MODE_GATEWAY ? 0 : c->interface_count;
}

bool kernel_wanted(const struct config *c)
{
	return c->mode != GG_MODE_RELAY || interfaces_used(c);
}

int kernel_conf(const struct config *c, struct endpoint **ret_vips, struct fastpath_conf *ret)
{
	const int count = listeners_vips(c, ret_vips);

	if (count < 0)
		return count;
	*ret = (struct fastpath_conf){
		.mode = c->mode,
		.xdp = c->xdp,
		.bpffs = c->bpffs,
		.vips = *ret_vips,
		.vip_count = count,
		.observe = c->correspondent.observe,
		.hosts = c->limit.hosts,
		.nets = c->limit.nets,
		.imported = c->limit.imports,
		.open_when_down = c->open_when_down,
		.heartbeat_limit = HEARTBEAT_LIMIT,
		.new_per_source = c->limit.new_per_source,
		.new_per_cpu = c->limit.new_per_cpu,
		.sample = c->greylist.sample,
		.interface_count = interfaces_used(c),
	};
	for (int i = 0; i < ret->interface_count; i++)
		ret->interfaces[i] = c->interfaces[i];
	return 0;
}
