// SPDX-License-Identifier: GPL-2.0-or-later
#include "rollback.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fastpath/fastpath.h"

#define CHANNEL 3   /* of the child: the first after the standard ones */
#define PATIENCE 60 /* tries, 50 ms apart */

/* What the child is told; the end of the channel tells it that the start is over. */
enum word { ARMED = 'a', KEEP = 'k' };

static void wait_and_clear(int fd, const char *bpffs)
{
	const struct timespec pause = {.tv_nsec = 50000000};
	bool armed = false;
	char word, err[256];

	while (recv(fd, &word, 1, 0) == 1)
		armed = word == ARMED;
	/* A process that was killed may not be quite gone, and its lock with it. */
	for (int i = 0; armed && i < PATIENCE; i++) {
		if (fastpath_clear(bpffs, 0, NULL, NULL, err, sizeof(err)) != -EBUSY)
			break;
		nanosleep(&pause, NULL);
	}
	_exit(EXIT_SUCCESS);
}

int rollback_begin(struct rollback *r, const char *bpffs, char *err, size_t err_size)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		snprintf(err, err_size, "socket pair: %s", strerror(errno));
		return -errno;
	}
	r->child = fork();
	if (r->child < 0) {
		int rc = -errno;

		snprintf(err, err_size, "fork: %s; raise the limit on processes (LimitNPROC)",
			 strerror(-rc));
		close(pair[0]);
		close(pair[1]);
		return rc;
	}
	if (!r->child) {
		prctl(PR_SET_NAME, "greygate-undo");
		/* Neither locks nor listeners of the daemon outlive it here. */
		if (pair[1] != CHANNEL)
			dup3(pair[1], CHANNEL, O_CLOEXEC);
		close_range(CHANNEL + 1, ~0u, 0);
		wait_and_clear(CHANNEL, bpffs);
	}
	close(pair[1]);
	r->fd = pair[0];
	return 0;
}

static void tell(const struct rollback *r, enum word word)
{
	char c = (char)word;

	/* A child that is gone has nothing to undo any more, nor anybody who could. */
	if (send(r->fd, &c, 1, MSG_NOSIGNAL) < 0)
		errno = 0;
}

void rollback_arm(void *rollback)
{
	const struct rollback *r = rollback;

	if (r->fd >= 0)
		tell(r, ARMED);
}

void rollback_end(struct rollback *r, bool succeeded)
{
	if (r->fd < 0)
		return;
	if (succeeded)
		tell(r, KEEP);
	close(r->fd);
	r->fd = -1;
	waitpid(r->child, NULL, 0);
}
