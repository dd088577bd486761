// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli.h"

#define PATIENCE 60 /* s without a byte from the daemon */

static int dial(const char *path)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	const struct timeval patience = {.tv_sec = PATIENCE};
	int fd;

	if (strlen(path) >= sizeof(name.sun_path)) {
		cli_complain("%s: longer than a socket's name can be", path);
		return -1;
	}
	memcpy(name.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Both before: where many wait, connect does, too. */
	if (fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) &&
	    !setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) &&
	    connect(fd, (const struct sockaddr *)&name, sizeof(name)) == 0)
		return fd;
	if (errno == EACCES || errno == EPERM)
		cli_complain("%s: not allowed; run this as root or as a member of the daemon's "
			     "group",
			     path);
	else
		cli_complain("no daemon answers on %s (%s); start greygated, or name its socket "
			     "with -s or its configuration with -c",
			     path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

bool cli_answers(const struct cli *cli)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	char *path = cli_control_path(cli);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool there = false;

	if (path && fd >= 0 && strlen(path) < sizeof(name.sun_path)) {
		memcpy(name.sun_path, path, strlen(path) + 1);
		there = !connect(fd, (const struct sockaddr *)&name, sizeof(name));
	}
	if (fd >= 0)
		close(fd);
	free(path);
	return there;
}

/* The descriptor of a file goes with the first byte. */
static bool send_bytes(int fd, char *bytes, size_t len, int file)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS}};

	memcpy(CMSG_DATA(&control.header), &file, sizeof(file));
	while (len) {
		struct iovec rest = {bytes, len};
		struct msghdr m = {.msg_iov = &rest, .msg_iovlen = 1};
		ssize_t n;

		if (file >= 0) {
			m.msg_control = &control;
			m.msg_controllen = sizeof(control);
		}
		n = sendmsg(fd, &m, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		file = -1;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

/* True: there may be an answer. Who is turned away may be so before he has spoken, and what he
 * hears says why. */
static bool send_request(int fd, const char *command, json_t *args, int file)
{
	json_t *request =
		json_pack("{s:s, s:o}", "command", command, "args", args ? args : json_object());
	char *line = request ? json_dumps(request, JSON_COMPACT) : NULL;
	size_t len = line ? strlen(line) : 0;
	bool sent = line != NULL;

	if (sent) {
		line[len] = '\n'; /* in the place of the NUL */
		sent = send_bytes(fd, line, len + 1, file) || errno == EPIPE;
	}
	free(line);
	json_decref(request);
	return sent;
}

static void complain_error(const json_t *answer)
{
	char error[8192], mend[1024];
	const char *said = row_str(answer, "error"), *text = row_str(answer, "mend");

	/* Complaints about a configuration are lines; what else has an end of line is somebody's
	 * input. */
	if (!strchr(said, '\n'))
		said = format_safe(said, 0, error, sizeof(error));
	cli_complain_mend(said, *text ? format_safe(text, 0, mend, sizeof(mend)) : NULL);
}

/* Done, and yet not to be relied upon: on standard error, where it spoils no output. */
static void complain_unsaved(const json_t *answer)
{
	char text[1024];
	const char *said = row_str(answer, "unsaved");

	if (*said)
		fprintf(stderr, "greygate: warning: %s\n",
			format_safe(said, 0, text, sizeof(text)));
}

/* A wait with a limit isn't taken up again by the kernel, and the end of an io_uring (doctor tries
 * one) interrupts it. */
static ssize_t read_on(void *fd, char *buf, size_t size)
{
	ssize_t n;

	do
		n = read(*(int *)fd, buf, size);
	while (n < 0 && errno == EINTR);
	return n;
}

static int close_it(void *fd)
{
	return close(*(int *)fd);
}

/* Reads up to the closing line. -ETIMEDOUT: it did not come, and the daemon is still there; -EPIPE:
 * it went away or spoke something else. */
static int read_answer(FILE *f, cli_row_fn see, void *arg, json_t **ret_summary)
{
	char *line = NULL;
	size_t size = 0;
	int rc = -EPIPE;

	while (rc < 0 && getline(&line, &size, f) > 0) {
		json_t *answer = json_loads(line, JSON_REJECT_DUPLICATES, NULL), *row;

		row = json_object_get(answer, "row");
		if (row) {
			if (see && !see(row, arg))
				rc = CLI_FAILED;
		} else if (json_object_get(answer, "error")) {
			complain_error(answer);
			rc = CLI_FAILED;
		} else if (json_object_get(answer, "done")) {
			complain_unsaved(answer);
			if (ret_summary)
				*ret_summary = json_incref(answer);
			rc = CLI_DONE;
		} else {
			json_decref(answer);
			break;
		}
		json_decref(answer);
	}
	if (rc < 0 && ferror(f) && errno == EAGAIN)
		rc = -ETIMEDOUT;
	free(line);
	return rc;
}

int cli_ask(const struct cli *cli, const char *command, json_t *args, cli_row_fn see, void *arg,
	    json_t **ret_summary)
{
	return cli_send(cli, command, args, -1, see, arg, ret_summary);
}

int cli_send(const struct cli *cli, const char *command, json_t *args, int file, cli_row_fn see,
	     void *arg, json_t **ret_summary)
{
	const cookie_io_functions_t io = {.read = read_on, .close = close_it};
	char *path = cli_control_path(cli);
	int fd = path ? dial(path) : -1, rc = -EPIPE;
	FILE *f = fd >= 0 ? fopencookie(&fd, "r", io) : NULL;

	if (!f)
		json_decref(args);
	else if (send_request(fd, command, args, file))
		rc = read_answer(f, see, arg, ret_summary);
	if (f && rc == -ETIMEDOUT)
		cli_complain("the daemon on %s has said nothing for %d seconds; what was asked may "
			     "still be done, see greygate status",
			     path, PATIENCE);
	else if (f && rc < 0)
		cli_complain("the daemon on %s broke off; its log says why", path);
	if (f)
		fclose(f);
	free(path);
	return rc < 0 ? CLI_FAILED : rc;
}

bool cli_print_json(const json_t *row, void *arg)
{
	(void)arg;
	return json_dumpf(row, stdout, JSON_COMPACT | JSON_ENCODE_ANY) == 0 && putchar('\n') != EOF;
}
