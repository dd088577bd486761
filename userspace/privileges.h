/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Becoming nobody in particular: after this the process has the descriptors it opened and no
 * rights.
 */
#ifndef GREYGATE_PRIVILEGES_H
#define GREYGATE_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct privileges {
	uid_t uid;
	gid_t gid;
};

/* The ids of a user. -ENOENT and err with the mend when there is none. */
int privileges_find(const char *user, struct privileges *ret, char *err, size_t err_size);
/* Whether privileges_drop can succeed, asked before anything is attached that only root can take
 * back. -EPERM and err names the capability that is missing. */
int privileges_check(char *err, size_t err_size);
/* Gives a directory and the plain files in it to the user: the store is opened before the drop. */
int privileges_give(const char *dir, const struct privileges *p, char *err, size_t err_size);
/* Raises the limits on descriptors and locked memory to their hard values, for the rings. */
void privileges_limits(void);
/* Drops to the user for good and forbids to gain any right. Capabilities that stay with the calling
 * thread and the threads it makes: CAP_IPC_LOCK, because the memory of rings would else count
 * against the user's RLIMIT_MEMLOCK, beside that of a daemon that is just ending; with transparent
 * CAP_NET_RAW, for sockets that hold another machine's address, and CAP_NET_BIND_SERVICE, for those
 * of a port below 1024. Nothing happens for a process that is not root. */
int privileges_drop(const struct privileges *p, bool transparent, char *err, size_t err_size);

/* Gives up what is left, for the calling thread, when its rings stand: all, or with transparent all
 * but CAP_NET_RAW and CAP_NET_BIND_SERVICE. */
void privileges_forget(bool transparent);

#endif
