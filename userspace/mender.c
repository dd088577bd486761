// SPDX-License-Identifier: GPL-2.0-or-later
#include "mender.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "handover.h"
#include "kernel_conf.h"
#include "privileges.h"

#define PATIENCE 30 /* s: as long as it is at work, nobody else can start or detach */

static void say(const struct fastpath_part *part, int link, void *arg)
{
	const int *channel = arg;

	handover_send(*channel, HANDOVER_PART, part, sizeof(*part), &link, link >= 0);
}

void mender_run(const struct config *c, int channel)
{
	static struct endpoint vips[VIPS_MAX];
	struct fastpath_conf conf;
	char err[600] = "";

	prctl(PR_SET_NAME, "greygate-mend");
	alarm(PATIENCE);
	privileges_limits();
	kernel_conf(c, vips, &conf);
	if (fastpath_mend(&conf, say, &channel, err, sizeof(err)))
		handover_fail(channel, err);
	else
		handover_send(channel, HANDOVER_DONE, NULL, 0, NULL, 0);
	_exit(EXIT_SUCCESS);
}
