// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the verifier says of each program, against ceilings.
 *
 * What it walks through: a kernel refuses at a million instructions, load time and the odds on
 * older verifiers get worse long before.
 *
 * What a chain of calls puts on the stack: 512 bytes at most, of which 6.1 rounds each function's
 * share up to 32 (check_max_stack_depth). The kernel that this runs on may round to less.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <egress.skel.h>
#include <errno.h>

#include "program.h"

#define STACK_MAX 512
#define STACK_ROUND 32
#define FUNCTIONS_MAX 64

static char log_text[1 << 16];

struct functions {
	const struct bpf_insn *insns;
	size_t insn_count;
	size_t start[FUNCTIONS_MAX]; /* ascending, insns */
	unsigned int stack[FUNCTIONS_MAX];
	int count;
};

/* Where the function begins that the instruction names; 0: none, since nobody names the first. */
static size_t named_by(const struct bpf_insn *insns, size_t i)
{
	bool call = insns[i].code == (BPF_JMP | BPF_CALL) && insns[i].src_reg == BPF_PSEUDO_CALL;
	bool address =
		insns[i].code == (BPF_LD | BPF_IMM | BPF_DW) && insns[i].src_reg == BPF_PSEUDO_FUNC;

	return call || address ? i + insns[i].imm + 1 : 0;
}

static void add_start(struct functions *f, size_t start)
{
	int i = f->count;

	while (i && f->start[i - 1] >= start)
		i--;
	if (i < f->count && f->start[i] == start)
		return;
	assert_true(f->count < FUNCTIONS_MAX);
	memmove(&f->start[i + 1], &f->start[i], (f->count++ - i) * sizeof(f->start[0]));
	f->start[i] = start;
}

static struct functions functions_of(const struct bpf_program *program)
{
	struct functions f = {.insns = bpf_program__insns(program),
			      .insn_count = bpf_program__insn_cnt(program)};
	const char *at = strstr(log_text, "stack depth ");
	char *end;
	size_t i;
	int n;

	add_start(&f, 0);
	for (i = 0; i < f.insn_count; i++)
		if (named_by(f.insns, i))
			add_start(&f, named_by(f.insns, i));
	assert_non_null(at);
	at += strlen("stack depth");
	for (n = 0; n < f.count; n++) {
		assert_true(*at == (n ? '+' : ' '));
		f.stack[n] = strtoul(at + 1, &end, 10);
		at = end;
	}
	assert_true(*at == '\n');
	return f;
}

static int function_at(const struct functions *f, size_t insn)
{
	int n = f->count - 1;

	while (f->start[n] > insn)
		n--;
	return n;
}

/* What the n-th function and the deepest chain of calls below it take. */
static unsigned int deepest(const struct functions *f, int n)
{
	unsigned int own = f->stack[n] ? f->stack[n] : 1, below = 0, each;
	size_t i, end = n + 1 < f->count ? f->start[n + 1] : f->insn_count;

	for (i = f->start[n]; i < end; i++) {
		if (!named_by(f->insns, i))
			continue;
		each = deepest(f, function_at(f, named_by(f->insns, i)));
		below = each > below ? each : below;
	}
	return below + (own + STACK_ROUND - 1) / STACK_ROUND * STACK_ROUND;
}

static void load_within(struct bpf_object *obj, const char *name, unsigned int ceiling)
{
	struct bpf_program *program = bpf_object__find_program_by_name(obj, name);
	unsigned int walked = 0, stack;
	struct functions functions;
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
	functions = functions_of(program);
	stack = deepest(&functions, 0);
	printf("# %s: %d functions, %u bytes of stack\n", name, functions.count, stack);
	if (stack > STACK_MAX)
		fail_msg("%s: a chain of calls takes %u bytes of stack, 6.1 refuses more than %d",
			 name, stack, STACK_MAX);
}

static void the_xdp_program_stays_within_its_budget(void **state)
{
	struct xdp_bpf *skel = xdp_bpf__open();

	(void)state;
	assert_non_null(skel);
	load_within(skel->obj, "greygate_xdp", 125000);
	xdp_bpf__destroy(skel);
}

static void the_lookup_program_stays_within_its_budget(void **state)
{
	struct lookup_bpf *skel = lookup_bpf__open();

	(void)state;
	assert_non_null(skel);
	load_within(skel->obj, "greygate_lookup", 46000);
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

static void the_egress_program_stays_within_its_budget(void **state)
{
	struct egress_bpf *skel = egress_bpf__open();

	(void)state;
	assert_non_null(skel);
	load_within(skel->obj, "greygate_egress", 2000);
	egress_bpf__destroy(skel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_xdp_program_stays_within_its_budget),
		cmocka_unit_test(the_lookup_program_stays_within_its_budget),
		cmocka_unit_test(the_tc_program_stays_within_its_budget),
		cmocka_unit_test(the_egress_program_stays_within_its_budget),
	};

	words_mute();
	return cmocka_run_group_tests(tests, room_enter, NULL);
}
