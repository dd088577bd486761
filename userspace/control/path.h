/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The name of the socket in the file system: how it gets there, and who may take it away. */
#ifndef CONTROL_PATH_H
#define CONTROL_PATH_H

#include <sys/types.h>

#include "control.h"

struct path_file {
	dev_t dev;
	ino_t ino; /* 0: none */
};

/* Binds fd to conf->path and listens there, see control_open. *ret: what is at the path now. */
int path_bind(const struct control_conf *conf, int fd, struct path_file *ret, char *err,
	      size_t err_size);
/* Removes what is at the path if it still is that file. */
void path_remove(const char *path, const struct path_file *file);

#endif
