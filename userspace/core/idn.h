/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Domains that are not ASCII: the one spelling of those that have two (RFC 5890). */
#ifndef CORE_IDN_H
#define CORE_IDN_H

#include <stdbool.h>
#include <stddef.h>

/* A domain with its U-labels as A-labels (RFC 5891, mapped as UTS 46 has it), else as it is: true,
 * or false and *ret as it may be, when it has none or `size` is too small. Allocates when it isn't
 * ASCII. Any thread. */
bool idn_ascii(const char *domain, char *ret, size_t size);

#endif
