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
/* ret refers to vips and to the settings, which live longer than it. */
void kernel_conf(const struct config *c, struct endpoint vips[VIPS_MAX], struct fastpath_conf *ret);

#endif
