// SPDX-License-Identifier: GPL-2.0-or-later
#include "starter.h"
#include "handover.h"
#include "mender.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHANNEL 3 /* of the successor: the first after the standard ones */

static void become_next(int channel, const char *path, char **argv)
{
	char number[12], text[PATH_MAX + 64];
	sigset_t ending;

	/* The daemon holds them back, and so does this process. */
	sigemptyset(&ending);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGINT);
	sigprocmask(SIG_UNBLOCK, &ending, NULL);
	if (channel != CHANNEL)
		dup3(channel, CHANNEL, 0);
	else
		fcntl(channel, F_SETFD, 0);
	snprintf(number, sizeof(number), "%d", CHANNEL);
	setenv(HANDOVER_ENV, number, 1);
	execv(path, argv);
	snprintf(text, sizeof(text), "%s: %s", path, strerror(errno));
	handover_fail(CHANNEL, text);
	_exit(127);
}

/* Nobody waits for children, so that their numbers are free when they end: the descriptor stands
 * for this one alone. */
static void start_next(struct mender_next *next, int channel, const char *path, char **argv)
{
	if (next->fd >= 0)
		close(next->fd);
	next->fd = -1;
	signal(SIGCHLD, SIG_DFL);
	next->pid = fork();
	if (!next->pid)
		become_next(channel, path, argv);
	if (next->pid > 0)
		next->fd = pidfd_open(next->pid, 0);
	signal(SIGCHLD, SIG_IGN);
	/* Who has ended meanwhile. */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void stand_by(int fd, const char *path, char **argv, const struct config *c)
{
	struct mender_next next = {.fd = -1};
	struct handover_message m;

	while (!handover_receive(fd, &m)) {
		if (m.kind == HANDOVER_START && m.fd_count == 1)
			start_next(&next, m.fds[0], path, argv);
		if (m.kind == HANDOVER_MEND && m.fd_count == 2 && !fork())
			mender_run(c, m.fds[0]);
		if (m.kind == HANDOVER_RETREAT &&
		    (m.fd_count == 1 || m.fd_count == STARTER_RETREAT) && !fork())
			mender_retreat(c, &next, m.fds[0], m.fd_count > 1 ? m.fds + 2 : NULL);
		handover_close(&m);
	}
	_exit(EXIT_SUCCESS);
}

int starter_begin(char **argv, const struct config *c, int *ret_fd)
{
	char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	int pair[2], rc;
	pid_t child;

	if (len < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	path[len] = '\0';
	child = fork();
	if (child < 0) {
		rc = -errno;
		close(pair[0]);
		close(pair[1]);
		return rc;
	}
	if (!child) {
		/* Successors are nobody's children once they run. */
		signal(SIGCHLD, SIG_IGN);
		prctl(PR_SET_NAME, "greygate-start");
		if (pair[1] != CHANNEL) {
			dup3(pair[1], CHANNEL, O_CLOEXEC);
			pair[1] = CHANNEL;
		}
		close_range(CHANNEL + 1, ~0u, 0);
		stand_by(pair[1], path, argv, c);
	}
	close(pair[1]);
	*ret_fd = pair[0];
	return 0;
}

bool starter_gone(int fd)
{
	struct pollfd p = {.fd = fd};

	return poll(&p, 1, 0) > 0 && p.revents & POLLHUP;
}

int starter_ask(int fd, int channel)
{
	return handover_send(fd, HANDOVER_START, NULL, 0, &channel, 1);
}

int starter_retreat(int fd, const int *fds, int n)
{
	return handover_send(fd, HANDOVER_RETREAT, NULL, 0, fds, n);
}

int starter_mend(int fd, const int fds[2])
{
	return handover_send(fd, HANDOVER_MEND, NULL, 0, fds, 2);
}
