/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A start that is killed before any one of the calls by which it changes what others can see. */
#ifndef SELFTESTS_BPF_KILLED_H
#define SELFTESTS_BPF_KILLED_H

#include <linux/bpf.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* By the process that is to be killed: its changes count from here on. */
static inline void dies_here(void)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
}

/* Number of a call that others can see something of; -1: it is none. */
static inline int change_of(const struct __ptrace_syscall_info *i)
{
	switch (i->entry.nr) {
	case SYS_mkdir:
	case SYS_rmdir:
	case SYS_unlink:
	case SYS_rename:
	case SYS_renameat2:
	case SYS_sendto:
	case SYS_sendmsg:
		return (int)i->entry.nr;
	case SYS_bpf:
		if (i->entry.args[0] == BPF_OBJ_PIN || i->entry.args[0] == BPF_LINK_CREATE ||
		    i->entry.args[0] == BPF_LINK_UPDATE || i->entry.args[0] == BPF_LINK_DETACH)
			return 10000 + (int)i->entry.args[0];
		return -1;
	default:
		return -1;
	}
}

/* Pins are made and removed by the dozen: of such a row the first and one in its midst. */
struct row {
	int change, length;
};

static inline bool changes_something(const struct __ptrace_syscall_info *i, struct row *row)
{
	const int change = i->op == PTRACE_SYSCALL_INFO_ENTRY ? change_of(i) : -1;

	if (change < 0)
		return false;
	row->length = change == row->change ? row->length + 1 : 0;
	row->change = change;
	return (change != SYS_unlink && change != 10000 + BPF_OBJ_PIN) || !row->length ||
	       row->length == 10;
}

/* Kills a child that says dies_here before its nth change; false: it made fewer, and got through.
 */
static inline bool die_at(pid_t pid, int n)
{
	struct row row = {.change = -1};
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	while (WIFSTOPPED(status)) {
		struct __ptrace_syscall_info i;

		if (WSTOPSIG(status) == (SIGTRAP | 0x80) &&
		    ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(i), &i) > 0 &&
		    changes_something(&i, &row) && n-- == 0)
			kill(pid, SIGKILL);
		else
			ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status))
		fail_msg("it did not start: %d", WEXITSTATUS(status));
	return WIFSIGNALED(status);
}

#endif
