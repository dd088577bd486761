// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is told of a kernel half that others take apart, and how often it is put back: the kernel,
 * the process with rights and the clock are the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>

#include "../../../userspace/guard.c"

static struct fastpath_part parts[2]; /* as the last look found them */
static bool changed;
static const char *unpinned;
static int asked;       /* how often a mender was asked for */
static int mender = -1; /* the end of its channel, of the last one */
static bool no_starter, starter_ended;
static unsigned counted[COUNT_MAX];

bool fastpath_look(struct fastpath *fp)
{
	const bool was = changed;

	(void)fp;
	changed = false;
	return was;
}

int fastpath_parts(struct fastpath *fp, struct fastpath_part ret[FASTPATH_PARTS])
{
	(void)fp;
	memcpy(ret, parts, sizeof(parts));
	return 2;
}

const char *fastpath_unpinned(const struct fastpath *fp)
{
	(void)fp;
	return unpinned;
}

void fastpath_pin(const struct fastpath *fp, const char *map, char ret[FASTPATH_PIN])
{
	(void)fp;
	snprintf(ret, FASTPATH_PIN, "v1/%s", map);
}

void fastpath_mended(struct fastpath *fp, const struct fastpath_part *part, int link)
{
	(void)fp;
	assert_int_equal(link, -1);
	for (int i = 0; i < 2; i++)
		if (parts[i].kind == part->kind)
			parts[i] = *part;
}

int fastpath_lock_fd(const struct fastpath *fp)
{
	(void)fp;
	return STDIN_FILENO;
}

bool starter_gone(int fd)
{
	(void)fd;
	return starter_ended;
}

int starter_mend(int fd, const int fds[2])
{
	(void)fd;
	if (no_starter)
		return -EPIPE;
	asked++;
	if (mender >= 0)
		close(mender);
	mender = dup(fds[0]);
	return 0;
}

void daemon_counted(struct daemon *d, enum counter which)
{
	(void)d;
	counted[which]++;
}

/* ---- the daemon around it ---- */

static struct config config;
static struct daemon daemon_;
static struct guard guard;
static uint64_t now;
static FILE *log_file;
static int log_to = -1;

static int begin(void **state)
{
	(void)state;
	parts[0] = (struct fastpath_part){.kind = FASTPATH_XDP, .interface = "eth0"};
	parts[1] = (struct fastpath_part){.kind = FASTPATH_POLICY};
	changed = no_starter = starter_ended = false;
	unpinned = NULL;
	asked = 0;
	now = 1000;
	memset(counted, 0, sizeof(counted));
	config = (struct config){.reattach = true};
	memset(&daemon_, 0, sizeof(daemon_));
	daemon_.fastpath = (void *)&daemon_; /* never looked into */
	atomic_store(&daemon_.config, &config);
	guard_begin(&guard, &daemon_, STDIN_FILENO);
	log_file = tmpfile();
	log_to = dup(STDERR_FILENO);
	dup2(fileno(log_file), STDERR_FILENO);
	return 0;
}

static int end(void **state)
{
	(void)state;
	guard_end(&guard);
	if (mender >= 0)
		close(mender);
	mender = -1;
	dup2(log_to, STDERR_FILENO);
	close(log_to);
	fclose(log_file);
	return 0;
}

static void seconds(int n)
{
	while (n--)
		guard_step(&guard, ++now);
}

static void found(int i, enum fastpath_state to, uint32_t id, const char *why)
{
	parts[i].state = to;
	parts[i].seen.id = id;
	snprintf(parts[i].why, sizeof(parts[i].why), "%s", why);
	changed = true;
}

/* The mender says what one part is now. */
static void says(int i, enum fastpath_state to, bool restored, const char *why)
{
	struct fastpath_part p = parts[i];

	p.state = to;
	p.restored = restored;
	snprintf(p.why, sizeof(p.why), "%s", why);
	assert_int_equal(handover_send(mender, HANDOVER_PART, &p, sizeof(p), NULL, 0), 0);
}

/* And ends. */
static void mends(int i, enum fastpath_state to, const char *why)
{
	says(i, to, to == FASTPATH_STANDS && parts[i].state == FASTPATH_GONE, why);
	assert_int_equal(handover_send(mender, HANDOVER_DONE, NULL, 0, NULL, 0), 0);
	guard_hear(&guard, now);
}

/* How many lines of the log hold both. */
static int told(const char *a, const char *b)
{
	char line[LOG_LINE];
	int n = 0;

	rewind(log_file);
	while (fgets(line, sizeof(line), log_file))
		n += strstr(line, a) && strstr(line, b);
	return n;
}

static void what_goes_and_comes_back_is_told_once_each(void **state)
{
	(void)state;
	seconds(10);
	assert_int_equal(asked, 0);
	found(0, FASTPATH_GONE, 0, "taken away by somebody");
	seconds(2);
	assert_int_equal(asked, 1);
	assert_true(daemon_.mending);
	assert_int_equal(told("XDP program", "\"gone\""), 1);
	assert_int_equal(told("\"interface\":\"eth0\"", "taken away by somebody"), 1);
	seconds(5);
	assert_int_equal(asked, 1); /* it is at work */
	mends(0, FASTPATH_STANDS, "");
	assert_false(daemon_.mending);
	seconds(10);
	assert_int_equal(asked, 1);
	assert_int_equal(told("XDP program", "\"gone\""), 1);
	assert_int_equal(told("XDP program", "\"attached\""), 1);
	assert_int_equal(told("policy", ""), 0);
	assert_int_equal(counted[COUNT_kernel_lost], 1);
	assert_int_equal(counted[COUNT_kernel_restored], 1);
}

static void what_goes_between_a_look_and_the_mender_is_told_as_well(void **state)
{
	(void)state;
	found(0, FASTPATH_GONE, 0, "taken away by somebody");
	seconds(2);
	says(1, FASTPATH_STANDS, true, "");
	mends(0, FASTPATH_STANDS, "");
	seconds(10);
	assert_int_equal(asked, 1);
	for (int i = 0; i < 2; i++) {
		const char *name = i ? "policy" : "XDP program";

		assert_int_equal(told(name, "\"gone\""), 1);
		assert_int_equal(told(name, "\"attached\""), 1);
	}
	assert_int_equal(told("policy", "taken away by somebody"), 1);
	assert_int_equal(counted[COUNT_kernel_lost], 2);
	assert_int_equal(counted[COUNT_kernel_restored], 2);
	/* What stood is no news. */
	found(0, FASTPATH_GONE, 0, "taken away by somebody");
	seconds(2);
	says(1, FASTPATH_STANDS, false, "");
	mends(0, FASTPATH_STANDS, "");
	assert_int_equal(told("policy", ""), 2);
	assert_int_equal(counted[COUNT_kernel_lost], 3);
}

static void who_takes_it_again_and_again_is_not_fought(void **state)
{
	(void)state;
	for (int i = 0; i < 30; i++) {
		found(0, FASTPATH_GONE, 0, "taken away by somebody");
		seconds(2);
		if (guard.channel >= 0)
			mends(0, FASTPATH_STANDS, "");
	}
	/* Ten, and one for the minute that has passed meanwhile. */
	assert_in_range(asked, TRIES, TRIES + 1);
	found(0, FASTPATH_GONE, 0, "taken away by somebody");
	for (int i = 0; guard.channel < 0 && i < TRY_EVERY; i++)
		seconds(1);
	mends(0, FASTPATH_GONE, "not accepted");
	asked = 0;
	for (int i = 0; i < 10 * TRY_EVERY; i++) {
		seconds(1);
		if (guard.channel >= 0)
			mends(0, FASTPATH_GONE, "not accepted");
	}
	assert_in_range(asked, 9, 11);
	assert_int_equal(told("XDP program", "not accepted"), 1);
	/* Left in peace, it has all tries again. */
	found(0, FASTPATH_STANDS, 0, "");
	seconds(TRIES * TRY_EVERY);
	asked = 0;
	for (int i = 0; i < TRIES; i++) {
		found(0, FASTPATH_GONE, 0, "taken away by somebody");
		seconds(2);
		mends(0, FASTPATH_STANDS, "");
	}
	assert_int_equal(asked, TRIES);
}

static void a_strange_program_is_asked_about_first(void **state)
{
	(void)state;
	/* Ours after all, as after an upgrade that was given up: nobody hears of it. */
	found(0, FASTPATH_OTHER, 7, "program id 7 is in its place");
	seconds(2);
	assert_int_equal(asked, 1);
	mends(0, FASTPATH_STANDS, "");
	seconds(10);
	assert_int_equal(told("XDP program", ""), 0);
	/* Somebody's: told once, and left alone until there is another one. */
	found(0, FASTPATH_OTHER, 8, "program id 8 is in its place");
	seconds(2);
	mends(0, FASTPATH_OTHER, "XDP program of somebody else");
	seconds(300);
	assert_int_equal(asked, 2);
	assert_int_equal(told("\"replaced\"", "of somebody else"), 1);
	assert_int_equal(told("\"replaced\"", ""), 1);
	found(0, FASTPATH_OTHER, 9, "program id 9 is in its place");
	seconds(2);
	assert_int_equal(asked, 3);
	assert_int_equal(counted[COUNT_kernel_lost], 1);
}

static void without_reattach_it_is_only_told(void **state)
{
	char mend[40];

	(void)state;
	config.reattach = false;
	found(0, FASTPATH_GONE, 0, "taken away by somebody");
	found(1, FASTPATH_OTHER, 3, "somebody's");
	seconds(300);
	assert_int_equal(asked, 0);
	snprintf(mend, sizeof(mend), "kill -USR2 %d", (int)getpid());
	assert_int_equal(told("\"gone\"", mend), 1);
	assert_int_equal(told("policy", "\"replaced\""), 1);
	config.reattach = true;
	seconds(2);
	assert_int_equal(asked, 1);
}

static void an_interface_that_is_not_there_is_waited_for(void **state)
{
	(void)state;
	found(0, FASTPATH_NO_INTERFACE, 0, "there is no such interface any more");
	seconds(300);
	assert_int_equal(asked, 0);
	assert_int_equal(told("\"no_interface\"", ""), 1);
	found(0, FASTPATH_GONE, 0, "the interface was made anew");
	seconds(2);
	assert_int_equal(asked, 1);
}

static void an_interface_that_is_renamed_has_its_mend(void **state)
{
	(void)state;
	snprintf(parts[0].renamed, sizeof(parts[0].renamed), "wan0");
	found(0, FASTPATH_NO_INTERFACE, 0, "the interface is called wan0 now");
	seconds(300);
	assert_int_equal(asked, 0);
	assert_int_equal(told("is called wan0 now",
			      "name wan0 in interfaces and restart, or ip link set dev wan0 name "
			      "eth0"),
			 1);
}

static void a_mender_that_fails_is_told_of_once(void **state)
{
	(void)state;
	found(0, FASTPATH_GONE, 0, "taken away by somebody");
	for (int i = 0; i < 6; i++) {
		seconds(2);
		if (i % 2) {
			handover_fail(mender, "pin v1/host4 is gone");
		} else {
			close(mender);
			mender = -1;
		}
		guard_hear(&guard, now);
		assert_int_equal(guard.channel, -1);
		if (i == 3)
			assert_int_equal(told("nothing could be put back", ""), 4);
	}
	/* Each other cause is news. */
	assert_int_equal(told("nothing could be put back", "pin v1/host4 is gone"), 3);
	for (int i = 0; i < 3; i++) {
		seconds(2);
		handover_fail(mender, "pin v1/host4 is gone");
		guard_hear(&guard, now);
	}
	assert_int_equal(told("nothing could be put back", "pin v1/host4 is gone"), 3);
}

static void a_mender_that_hangs_is_let_go(void **state)
{
	(void)state;
	found(0, FASTPATH_GONE, 0, "taken away by somebody");
	seconds(2);
	seconds(PATIENCE - 1);
	assert_true(guard.channel >= 0);
	assert_int_equal(asked, 1);
	seconds(4);
	assert_int_equal(told("nothing could be put back", "too long"), 1);
	assert_int_equal(asked, 2);
}

static void without_a_starter_a_restart_is_advised(void **state)
{
	(void)state;
	no_starter = true;
	found(0, FASTPATH_GONE, 0, "taken away by somebody");
	seconds(10);
	assert_int_equal(told("greygate-start", "systemctl restart greygated"), 1);
	assert_true(atomic_load(&daemon_.helpless));
	assert_false(daemon_.mending);
	found(1, FASTPATH_GONE, 0, "taken away by somebody");
	seconds(2);
	assert_int_equal(told("policy", "systemctl restart greygated puts it back"), 1);
}

static void a_starter_that_ends_is_told_before_it_is_needed(void **state)
{
	(void)state;
	seconds(10);
	starter_ended = true;
	atomic_store(&daemon_.draining, true);
	seconds(10);
	assert_false(atomic_load(&daemon_.helpless)); /* the daemon is ending, too */
	atomic_store(&daemon_.draining, false);
	daemon_.fastpath = NULL;
	seconds(10);
	assert_true(atomic_load(&daemon_.helpless));
	assert_int_equal(told("greygate-start", "systemctl restart greygated"), 1);
	daemon_.fastpath = (void *)&daemon_;
	found(0, FASTPATH_GONE, 0, "taken away by somebody");
	seconds(10);
	assert_int_equal(asked, 0);
	assert_int_equal(told("\"gone\"", "systemctl restart greygated puts it back"), 1);
}

static void a_pin_that_is_gone_is_told_before_it_is_needed(void **state)
{
	(void)state;
	seconds(10);
	assert_null(atomic_load(&daemon_.unpinned));
	unpinned = "host4";
	seconds(10);
	assert_string_equal(atomic_load(&daemon_.unpinned), "host4");
	assert_int_equal(told("pin v1/host4 is gone", "systemctl restart greygated"), 1);
	/* Who can't find the maps is not asked. */
	found(0, FASTPATH_GONE, 0, "taken away by somebody");
	found(1, FASTPATH_OTHER, 3, "somebody's");
	seconds(300);
	assert_int_equal(asked, 0);
	assert_int_equal(told("\"gone\"", "systemctl restart greygated puts it back"), 1);
	assert_int_equal(told("policy", "\"replaced\""), 1);
	/* Another one is news. */
	unpinned = "host6";
	seconds(10);
	assert_int_equal(told("pin v1/host6 is gone", ""), 1);
	assert_int_equal(told("pin v1/host4 is gone", ""), 1);
	/* All of them, too. */
	unpinned = "";
	seconds(10);
	assert_int_equal(told("pins v1/ are gone, their bpf file system was unmounted",
			      "mount -t bpf bpf /sys/fs/bpf where none is mounted, then systemctl "
			      "restart greygated"),
			 1);
	unpinned = "host6";
	seconds(10);
	/* Pinned again by hand, it is put back. */
	unpinned = NULL;
	seconds(2);
	assert_null(atomic_load(&daemon_.unpinned));
	assert_int_equal(told("pin v1/host6 is there again", ""), 1);
	assert_int_equal(asked, 1);
}

static void pins_of_a_successor_are_not_missed(void **state)
{
	(void)state;
	daemon_.lent = true;
	unpinned = "host4";
	seconds(10);
	assert_null(atomic_load(&daemon_.unpinned));
	assert_int_equal(told("pin", ""), 0);
}

static void lent_maps_are_a_successors(void **state)
{
	(void)state;
	daemon_.lent = true;
	found(0, FASTPATH_GONE, 0, "taken away by somebody");
	seconds(10);
	assert_int_equal(asked, 0);
	assert_int_equal(told("XDP", ""), 0);
	daemon_.lent = false;
	seconds(2);
	assert_int_equal(asked, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_goes_and_comes_back_is_told_once_each),
		TEST(what_goes_between_a_look_and_the_mender_is_told_as_well),
		TEST(who_takes_it_again_and_again_is_not_fought),
		TEST(a_strange_program_is_asked_about_first),
		TEST(without_reattach_it_is_only_told),
		TEST(an_interface_that_is_not_there_is_waited_for),
		TEST(an_interface_that_is_renamed_has_its_mend),
		TEST(a_mender_that_fails_is_told_of_once),
		TEST(a_mender_that_hangs_is_let_go),
		TEST(without_a_starter_a_restart_is_advised),
		TEST(a_starter_that_ends_is_told_before_it_is_needed),
		TEST(a_pin_that_is_gone_is_told_before_it_is_needed),
		TEST(pins_of_a_successor_are_not_missed),
		TEST(lent_maps_are_a_successors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
