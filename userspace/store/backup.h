/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copies of the store, for the CLI and for the daemon's restore. */
#ifndef STORE_BACKUP_H
#define STORE_BACKUP_H

#include <stddef.h>
#include <stdint.h>

struct store;

/* Copies the store under dir as it is at one moment, while a daemon may write it: to file.part,
 * which takes the place of file when it is complete, checked and on the disk. Mode 0600: it holds
 * the secret. Any process that may read the store. On failure err names the thing, the cause and
 * the mend, here and below, and nothing has changed. */
int store_backup(const char *dir, const char *file, uint64_t *ret_bytes, char *err,
		 size_t err_size);
/* Opens a backup for load, lifetimes and close. Its records are tagged with ret_key. -EUCLEAN: no
 * sound one; -EPROTO: of another schema. */
int store_open_backup(const char *file, struct store **ret, uint8_t ret_key[16], char *err,
		      size_t err_size);
/* Puts a backup in the place of the store under dir, which stays as store.before-restore. -EBUSY: a
 * daemon works on it. */
int store_replace(const char *dir, const char *file, char *err, size_t err_size);
/* A copy with mode 0600. */
int store_copy(const char *file, const char *to, char *err, size_t err_size);

#endif
