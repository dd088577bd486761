// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "../../../userspace/rehearsal.c"

/* As the kernel with kernel.io_uring_disabled = 1. */
int ring_check(char *err, size_t err_size)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {};

	if (syscall(SYS_capget, &header, data) || data[0].effective & 1u << CAP_SYS_ADMIN)
		return 0;
	snprintf(err, err_size, "not for this user; allow it");
	return -EPERM;
}

static void rings_are_asked_for_as_the_user(void **state)
{
	char err[200] = "";

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(rehearsal_rings("nobody", err, sizeof(err)), -EPERM);
	assert_string_equal(err, "not for this user; allow it");
	assert_int_equal(geteuid(), 0);
	assert_int_equal(rehearsal_rings("root", err, sizeof(err)), -EPERM);
	assert_int_equal(rehearsal_rings("no such user", err, sizeof(err)), 0);
	assert_int_equal(rehearsal_rings(NULL, err, sizeof(err)), 0);
}

static void a_port_that_is_taken(void **state)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct endpoint at = {.addr.b = {[10] = 0xff, 0xff, 127, 0, 0, 1}};
	const struct config c = {.mode = GG_MODE_RELAY, .listen = &at, .listen_count = 1};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(sa);
	char err[200];

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len) || listen(fd, 1) ||
				 getsockname(fd, (struct sockaddr *)&sa, &len),
			 0);
	at.port = ntohs(sa.sin_port);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(rehearsal_listeners(&c, err, sizeof(err)), -EADDRINUSE);
		assert_non_null(strstr(err, ": Address already in use; stop the program"));
	}
	close(fd);
	for (int i = 0; i < 2; i++)
		assert_int_equal(rehearsal_listeners(&c, err, sizeof(err)), 0);
}

/* Nothing is made by asking. */
static void a_directory_for_the_store(void **state)
{
	char place[] = "/tmp/greygate-rehearsal.XXXXXX", err[PATH_MAX + 300];
	const struct {
		const char *below;
		int code;
	} t[] = {{"", 0}, {"/file", -ENOTDIR}, {"/state", 0}, {"/no/state", -ENOENT}};
	char dir[100], file[100];

	(void)state;
	assert_non_null(mkdtemp(place));
	snprintf(file, sizeof(file), "%s/file", place);
	close(open(file, O_CREAT | O_WRONLY, 0600));
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		const struct config c = {.state_dir = dir};

		snprintf(dir, sizeof(dir), "%s%s", place, t[i].below);
		assert_int_equal(rehearsal_state(&c, err, sizeof(err)), t[i].code);
		if (t[i].code)
			assert_non_null(strstr(err, store_mend(t[i].code)));
	}
	unlink(file);
	assert_int_equal(rmdir(place), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rings_are_asked_for_as_the_user),
		cmocka_unit_test(a_port_that_is_taken),
		cmocka_unit_test(a_directory_for_the_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
