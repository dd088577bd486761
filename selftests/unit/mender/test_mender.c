// SPDX-License-Identifier: GPL-2.0-or-later
/* How a successor is ended that doesn't end by itself: real processes, which do as they are told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../../../userspace/mender.c"

#define LONG 60000 /* ms: it will end before */
#define SHORT 20   /* ms: it will not */

/* A successor in a state that is reached once this returns; its pidfd ends with the test. */
static struct mender_next successor(void (*be)(int ready))
{
	struct mender_next next;
	int pair[2];
	char c;

	assert_int_equal(pipe(pair), 0);
	next.pid = fork();
	if (!next.pid) {
		close(pair[0]);
		be(pair[1]);
		_exit(0);
	}
	close(pair[1]);
	assert_int_equal(read(pair[0], &c, 1), 1);
	close(pair[0]);
	next.fd = pidfd_open(next.pid, 0);
	assert_true(next.fd >= 0);
	return next;
}

static void tell(int ready)
{
	if (write(ready, "", 1) != 1)
		_exit(1);
}

static void ends(int ready)
{
	tell(ready);
}

static void waits(int ready)
{
	tell(ready);
	for (;;)
		pause();
}

/* As one that starts, whose main thread is caught in something. */
static void holds_back(int ready)
{
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	waits(ready);
}

static void is_another(int ready)
{
	if (setresuid(65534, 65534, 65534))
		_exit(2);
	waits(ready);
}

static int signal_of(const struct mender_next *next)
{
	int status;

	assert_int_equal(waitpid(next->pid, &status, 0), next->pid);
	close(next->fd);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void who_ends_is_sent_nothing(void **state)
{
	const struct step step[STEPS] = {{0, LONG}, {SIGTERM, 0}, {SIGKILL, 0}};
	struct mender_next next = successor(ends);
	struct handover_ended ended;

	(void)state;
	assert_false(end(&next, step, &ended));
	assert_int_equal(signal_of(&next), 0);
}

static void who_waits_is_sent_term(void **state)
{
	const struct step step[STEPS] = {{0, SHORT}, {SIGTERM, LONG}, {SIGKILL, 0}};
	struct mender_next next = successor(waits);
	struct handover_ended ended;

	(void)state;
	assert_true(end(&next, step, &ended));
	assert_int_equal(ended.pid, next.pid);
	assert_int_equal(ended.signal, SIGTERM);
	assert_int_equal(ended.code, 0);
	assert_int_equal(signal_of(&next), SIGTERM);
}

static void who_holds_term_back_is_killed(void **state)
{
	const struct step step[STEPS] = {{0, SHORT}, {SIGTERM, SHORT}, {SIGKILL, LONG}};
	struct mender_next next = successor(holds_back);
	struct handover_ended ended;

	(void)state;
	assert_true(end(&next, step, &ended));
	assert_int_equal(ended.signal, SIGKILL);
	assert_int_equal(ended.code, 0);
	assert_int_equal(signal_of(&next), SIGKILL);
}

static void who_is_stopped_is_killed(void **state)
{
	const struct step step[STEPS] = {{0, SHORT}, {SIGTERM, SHORT}, {SIGKILL, LONG}};
	struct mender_next next = successor(waits);
	struct handover_ended ended;
	int status;

	(void)state;
	kill(next.pid, SIGSTOP);
	assert_int_equal(waitpid(next.pid, &status, WUNTRACED), next.pid);
	assert_true(end(&next, step, &ended));
	assert_int_equal(ended.signal, SIGKILL);
	assert_int_equal(signal_of(&next), SIGKILL);
}

/* As in a service whose capabilities lack that of signals to others. */
static void lose_cap_kill(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		_exit(3);
	data[0].effective &= ~(1u << CAP_KILL);
	data[0].permitted &= ~(1u << CAP_KILL);
	if (syscall(SYS_capset, &header, data))
		_exit(4);
}

static bool has(int capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	return !syscall(SYS_capget, &header, data) && data[0].effective & 1u << capability;
}

static void who_has_become_another_user_is_reached(void **state)
{
	const struct step step[STEPS] = {{0, SHORT}, {SIGTERM, LONG}, {SIGKILL, 0}};
	struct mender_next next;
	struct handover_ended ended;
	int status;
	pid_t pid;

	(void)state;
	if (geteuid())
		skip();
	next = successor(is_another);
	pid = fork();
	if (!pid) {
		lose_cap_kill();
		if (!pidfd_send_signal(next.fd, SIGTERM, NULL, 0) || errno != EPERM)
			_exit(5);
		if (!end(&next, step, &ended) || ended.signal != SIGTERM || ended.code)
			_exit(6);
		/* And has its own rights again. */
		if (geteuid() || !has(CAP_SETUID))
			_exit(7);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(signal_of(&next), SIGTERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_ends_is_sent_nothing),
		cmocka_unit_test(who_waits_is_sent_term),
		cmocka_unit_test(who_holds_term_back_is_killed),
		cmocka_unit_test(who_is_stopped_is_killed),
		cmocka_unit_test(who_has_become_another_user_is_reached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
