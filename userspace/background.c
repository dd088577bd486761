// SPDX-License-Identifier: GPL-2.0-or-later
#include "background.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int background_enter(int *ret_ready)
{
	int pipes[2];
	char byte = 1;
	pid_t child;

	if (pipe2(pipes, O_CLOEXEC))
		return -errno;
	child = fork();
	if (child < 0)
		return -errno;
	if (child) {
		close(pipes[1]);
		exit(read(pipes[0], &byte, 1) == 1 && !byte ? EXIT_SUCCESS : EXIT_FAILURE);
	}
	close(pipes[0]);
	setsid();
	*ret_ready = pipes[1];
	return 0;
}

void background_ready(int ready)
{
	char fine = 0;

	if (ready >= 0 && write(ready, &fine, 1) == 1)
		close(ready);
}
