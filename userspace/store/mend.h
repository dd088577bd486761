/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an operator can do about an error of the store. */
#ifndef STORE_MEND_H
#define STORE_MEND_H

/* err: -errno. Never NULL. */
const char *store_mend(int err);

#endif
