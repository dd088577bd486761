/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file that is replaced whole or not at all: written beside, as NAME.new, and put in the place of
 * NAME when all of it is on the disk. Whatever stands at NAME.new goes, a link is not followed.
 *
 * Any thread; one at a time a file. No state.
 */
#ifndef GREYGATE_ASIDE_H
#define GREYGATE_ASIDE_H

#include <stddef.h>

struct aside_text {
	const char *bytes;
	size_t len;
};

/* The parts one after the other, mode 0600. directory: against `at`, a descriptor of another one or
 * AT_FDCWD. 0, or -errno, and then the file is what it was. */
int aside_write(int at, const char *directory, const char *name, const struct aside_text *parts,
		int count);

#endif
