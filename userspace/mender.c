// SPDX-License-Identifier: GPL-2.0-or-later
#include "mender.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "handover.h"
#include "kernel_conf.h"
#include "privileges.h"

#define PATIENCE 30 /* s: as long as it is at work, nobody else can start or detach */
#define RETREAT_PATIENCE 60

static void say(const struct fastpath_part *part, int link, void *arg)
{
	const int *channel = arg;

	handover_send(*channel, HANDOVER_PART, part, sizeof(*part), &link, link >= 0);
}

/* What it refers to goes with the process. */
static int begin(const struct config *c, struct fastpath_conf *ret, unsigned patience, char *err,
		 size_t err_size)
{
	struct endpoint *vips;
	int code;

	prctl(PR_SET_NAME, "greygate-mend");
	alarm(patience);
	privileges_limits();
	code = kernel_conf(c, &vips, ret);
	if (code)
		snprintf(err, err_size, "this machine's addresses: %s", strerror(-code));
	return code;
}

void mender_run(const struct config *c, int channel)
{
	struct fastpath_conf conf;
	char err[600] = "";

	if (begin(c, &conf, PATIENCE, err, sizeof(err)) ||
	    fastpath_mend(&conf, say, &channel, err, sizeof(err)))
		handover_fail(channel, err);
	else
		handover_send(channel, HANDOVER_DONE, NULL, 0, NULL, 0);
	_exit(EXIT_SUCCESS);
}

/* ---- a successor that is to end ---- */

/* What it is sent, and ms that it gets then: one that has failed ends by itself, and while it
 * starts SIGTERM waits. */
struct step {
	int signal, wait;
};
static const struct step steps[] = {{0, 2000}, {SIGTERM, 3000}, {SIGKILL, 15000}};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

static bool user_of(pid_t pid, uid_t *ret)
{
	char path[32], line[128];
	bool found = false;
	unsigned uid;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "Uid: %u", &uid) == 1;
	if (f)
		fclose(f);
	if (found)
		*ret = uid;
	return found;
}

/* It may have become another user by now, and the right to signal any process is none that the
 * service needs else: who has its user for a moment may do it too. */
static int send_signal(const struct mender_next *next, int number)
{
	uid_t uid;
	int code;

	if (!pidfd_send_signal(next->fd, number, NULL, 0))
		return 0;
	code = -errno;
	if (code != -EPERM || geteuid() || !user_of(next->pid, &uid) || seteuid(uid))
		return code;
	code = pidfd_send_signal(next->fd, number, NULL, 0) ? -errno : 0;
	return seteuid(0) ? -errno : code;
}

static bool ends_within(const struct mender_next *next, int ms)
{
	struct pollfd p = {.fd = next->fd, .events = POLLIN};

	return poll(&p, 1, ms) > 0;
}

/* False: it had ended by itself. */
static bool end(const struct mender_next *next, const struct step step[STEPS],
		struct handover_ended *ret)
{
	*ret = (struct handover_ended){.pid = next->pid};
	for (size_t i = 0; i < STEPS; i++) {
		if (step[i].signal) {
			ret->signal = step[i].signal;
			ret->code = send_signal(next, step[i].signal);
		}
		if (ends_within(next, step[i].wait)) {
			ret->code = 0;
			return ret->signal != 0;
		}
	}
	if (!ret->code)
		ret->code = -ETIMEDOUT;
	return true;
}

/* ---- what it has left ---- */

static void restore(const struct config *c, const struct fastpath_conf *conf, int channel,
		    const int *held)
{
	struct privileges who;
	char err[600] = "";
	int pins = -1, code;

	code = fastpath_restore(conf, held, say, &channel, &pins, err, sizeof(err));
	if (!code && !geteuid())
		code = privileges_find(c->user, &who, err, sizeof(err));
	if (!code && !geteuid() && fchown(pins, who.uid, who.gid)) {
		code = -errno;
		snprintf(err, sizeof(err), "pins of %s: %m", c->bpffs);
	}
	if (code)
		handover_fail(channel, err);
	else
		handover_send(channel, HANDOVER_DONE, NULL, 0, &pins, 1);
}

/* Who starts next finds what there is, and what not. */
static bool is_gone(int channel)
{
	struct pollfd p = {.fd = channel};

	return poll(&p, 1, 0) > 0 && p.revents & POLLHUP;
}

void mender_retreat(const struct config *c, const struct mender_next *next, int channel,
		    const int *held)
{
	struct fastpath_conf conf;
	struct handover_ended ended;
	char err[600] = "";
	const int code = begin(c, &conf, RETREAT_PATIENCE, err, sizeof(err));

	if (next->fd >= 0 && end(next, steps, &ended))
		handover_send(channel, HANDOVER_ENDED, &ended, sizeof(ended), NULL, 0);
	if (held && code)
		handover_fail(channel, err);
	else if (held && !is_gone(channel))
		restore(c, &conf, channel, held);
	else
		handover_send(channel, HANDOVER_DONE, NULL, 0, NULL, 0);
	_exit(EXIT_SUCCESS);
}
