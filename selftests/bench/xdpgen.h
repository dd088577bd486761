/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The denied hosts, known to the flood and to those who load lists of them. */
#ifndef BENCH_XDPGEN_H
#define BENCH_XDPGEN_H

#include <linux/types.h>

/* The n-th host, network order: an odd factor meets every address once and scatters neighbours. */
static inline __u32 xdpgen_host(__u32 n)
{
	return (n + 1) * 2654435761u;
}

#endif
