/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the settings ask of the kernel fast path: for a start, and for who puts back what was taken
 * away of it.
 */
#ifndef GREYGATE_KERNEL_CONF_H
#define GREYGATE_KERNEL_CONF_H

#include "fastpath/fastpath.h"
#include "listeners.h"

/* Whether there is to be one at all. */
bool kernel_wanted(const struct config *c);
/* ret refers to vips, which are the caller's to free, and to the settings; both live longer than
 * it. -errno: this machine's addresses can't be had. */
int kernel_conf(const struct config *c, struct endpoint **ret_vips, struct fastpath_conf *ret);

#endif
