// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the verifier walks through for each program, against a ceiling: a kernel refuses at a
 * million instructions, load time and the odds on older verifiers get worse long before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "program.h"

static char log_text[1 << 16];

static void load_within(struct bpf_object *obj, const char *name, unsigned int ceiling)
{
	struct bpf_program *program = bpf_object__find_program_by_name(obj, name);
	unsigned int walked = 0;
	const char *line;

	assert_non_null(program);
	memset(log_text, 0, sizeof(log_text));
	bpf_program__set_log_level(program, 4); /* figures only */
	bpf_program__set_log_buf(program, log_text, sizeof(log_text));
	assert_int_equal(bpf_object__load(obj), 0);
	line = strstr(log_text, "processed ");
	assert_non_null(line);
	assert_int_equal(sscanf(line, "processed %u insns", &walked), 1);
	printf("# %s: %.*s\n", name, (int)strcspn(line, "\n"), line);
	if (walked > ceiling)
		fail_msg("%s: the verifier walks %u instructions, the ceiling is %u", name, walked,
			 ceiling);
}

static void the_xdp_program_stays_within_its_budget(void **state)
{
	struct xdp_bpf *skel = xdp_bpf__open();

	(void)state;
	assert_non_null(skel);
	load_within(skel->obj, "greygate_xdp", 100000);
	xdp_bpf__destroy(skel);
}

static void the_lookup_program_stays_within_its_budget(void **state)
{
	struct lookup_bpf *skel = lookup_bpf__open();

	(void)state;
	assert_non_null(skel);
	load_within(skel->obj, "greygate_lookup", 40000);
	lookup_bpf__destroy(skel);
}

static void the_tc_program_stays_within_its_budget(void **state)
{
	struct tc_bpf *skel = tc_bpf__open();

	(void)state;
	assert_non_null(skel);
	load_within(skel->obj, "greygate_tc", 50000);
	tc_bpf__destroy(skel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_xdp_program_stays_within_its_budget),
		cmocka_unit_test(the_lookup_program_stays_within_its_budget),
		cmocka_unit_test(the_tc_program_stays_within_its_budget),
	};

	words_mute();
	return cmocka_run_group_tests(tests, room_enter, NULL);
}
