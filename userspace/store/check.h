/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether an LMDB file can be mapped and walked without harm.
 *
 * LMDB trusts its file: a page number beyond the end is a SIGBUS, a damaged page an abort or worse.
 * So before the file is mapped every page that can be reached is read and checked: that it lies
 * within the file, is what its parent says, holds well-formed nodes in order, and belongs to one
 * tree or the free list only. The rows themselves are not looked into.
 */
#ifndef STORE_CHECK_H
#define STORE_CHECK_H

#include <stddef.h>

/* fd: open for reading, nobody writes meanwhile. 0: sound, or empty. -EUCLEAN: damaged or not an
 * LMDB file, and why says where; -ENOMEM; -errno of a failed read. */
int check_file(int fd, char *why, size_t why_size);

#endif
