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
/* Whether each label of the `len` bytes of a domain is ASCII or a U-label, up to the case of its
 * letters: nothing that would vanish, become a dot or become ASCII, nothing that is not in NFC
 * (RFC 5890 2.3.2.1). Allocates. Any thread. */
bool idn_valid(const char *domain, size_t len);

#endif
