// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/bpf.h>

#include "verdicts.h"

static void judge(const char *name, const void *bytes, uint32_t len, uint32_t action,
		  enum gg_stat cause)
{
	uint64_t before[GG_STAT_MAX], after[GG_STAT_MAX];
	uint32_t got;

	assert_int_equal(fastpath_stats(fp, before), 0);
	got = program_run(skel, bytes, len);
	assert_int_equal(fastpath_stats(fp, after), 0);
	if (got != action)
		fail_msg("%s (%u bytes): XDP action %u, not %u", name, len, got, action);
	program_counted(name, before, after, cause);
}

static void each_frame_gets_its_verdict_and_its_counter(void **state)
{
	struct frame f;
	size_t i;

	(void)state;
	for (i = 0; i < CASES; i++) {
		lists_renew();
		frame_build(&f, &cases[i].frame);
		judge(cases[i].name, f.b, f.len, cases[i].action, cases[i].cause);
	}
}

/* More than is followed, so that the rest need not be there. */
static bool is_deep(const struct frame_spec *s)
{
	return s->tags[2] || s->headers[6];
}

/* From the Ethernet header on (the kernel runs no shorter frame): passed and counted as short until
 * the byte is there that the verdict needs, and the same verdict from there on. */
static void a_frame_cut_at_any_byte_passes_until_its_headers_are_whole(void **state)
{
	struct frame f;
	uint32_t len;
	size_t i;

	(void)state;
	for (i = 0; i < CASES; i++) {
		if (cases[i].cause == GG_STAT_not_ours || is_deep(&cases[i].frame))
			continue;
		frame_build(&f, &cases[i].frame);
		for (len = 14; len < f.len; len++) {
			if (len < f.needed)
				judge(cases[i].name, f.b, len, XDP_PASS, GG_STAT_short_packet);
			else
				judge(cases[i].name, f.b, len, cases[i].action, cases[i].cause);
		}
	}
}

/* Those frames may be recognised early; what counts is that no cut makes one of them a drop. */
static void a_frame_that_is_not_ours_passes_cut_at_any_byte(void **state)
{
	struct frame f;
	uint32_t len;
	size_t i;

	(void)state;
	for (i = 0; i < CASES; i++) {
		if (cases[i].cause != GG_STAT_not_ours && cases[i].cause != GG_STAT_deep_headers)
			continue;
		frame_build(&f, &cases[i].frame);
		for (len = 14; len <= f.len; len++)
			if (program_run(skel, f.b, len) != XDP_PASS)
				fail_msg("%s: dropped when cut at %u", cases[i].name, len);
	}
}

static void lengths_that_contradict_each_other_pass(void **state)
{
	static const struct {
		const char *name;
		uint32_t at;
		uint8_t value[2];
		uint32_t bytes;
	} lies[] = {
		{"header length 0", 14, {0x40}, 1},
		{"header length 16", 14, {0x44}, 1},
		{"header beyond the packet", 14, {0x4f}, 1},
		{"total length 0", 16, {0, 0}, 2},
		{"total length of the header alone", 16, {0, 20}, 2},
		{"total length within the TCP header", 16, {0, 39}, 2},
	};
	const struct frame_spec syn = {SYN4("198.51.100.1")};
	struct frame f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		frame_build(&f, &syn);
		memcpy(f.b + lies[i].at, lies[i].value, lies[i].bytes);
		judge(lies[i].name, f.b, f.len, XDP_PASS, GG_STAT_short_packet);
	}
}

static void padding_after_the_packet_changes_nothing(void **state)
{
	const struct frame_spec syn = {SYN4("198.51.100.1")};
	struct frame f;

	(void)state;
	frame_build(&f, &syn);
	frame_fill(&f, 0xa5, 300);
	judge("padded", f.b, f.len, XDP_DROP, GG_STAT_drop_new);
}

static void random_bytes_never_hurt(void **state)
{
	static const uint8_t starts[][2] = {{0x08, 0x00}, {0x86, 0xdd}, {0x81, 0x00}, {0x88, 0xa8}};
	uint64_t seed = 0x9e3779b97f4a7c15;
	uint8_t bytes[256];
	uint32_t len, action;
	int i;
	size_t at;

	(void)state;
	for (i = 0; i < 20000; i++) {
		for (at = 0; at < sizeof(bytes); at++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			bytes[at] = seed >> 32;
		}
		len = 14 + bytes[0] % (sizeof(bytes) - 14);
		memcpy(bytes + 12, starts[i % 4], 2);
		if (i % 3)
			bytes[14] = i % 4 == 0 ? 0x45 : 0x60;
		action = program_run(skel, bytes, len);
		if (action != XDP_PASS)
			fail_msg("noise %d (%u bytes): action %u", i, len, action);
	}
}

/* Each of them first, second, alone and gone. */
static void endpoints_are_judged_as_long_as_they_are_protected(void **state)
{
	const struct frame_spec four = {SYN4("198.51.100.1")}, six = {SYN6("2001:db8:1::1")};
	const struct endpoint a = room_endpoint(VIP4 ":25"), b = room_endpoint("[" VIP6 "]:25");
	const struct {
		struct endpoint vips[2];
		int count;
		bool four, six;
	} rows[] = {
		{{b, a}, 2, true, true}, {{a}, 1, true, false},   {{b}, 1, false, true},
		{{a}, 0, false, false},  {{a, b}, 2, true, true},
	};
	/* What an empty key would look like. */
	const struct frame_spec zero = {
		.from = "2001:db8:1::1", .to = "::", .headers = {44}, .fragment = 8};
	struct frame f4, f6, none;
	size_t i;

	(void)state;
	lists_renew();
	frame_build(&none, &zero);
	frame_build(&f4, &four);
	frame_build(&f6, &six);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(fastpath_vips(fp, rows[i].vips, rows[i].count), 0);
		assert_int_equal(program_run(skel, f4.b, f4.len),
				 rows[i].four ? XDP_DROP : XDP_PASS);
		assert_int_equal(program_run(skel, f6.b, f6.len),
				 rows[i].six ? XDP_DROP : XDP_PASS);
		assert_int_equal(program_run(skel, none.b, none.len), XDP_PASS);
	}
}

/* The first piece of a segment says how many bytes of it there are. */
static void a_header_in_pieces_is_dropped(void **state)
{
	const struct frame_spec specs[] = {
		{ACK4("198.51.100.99"), .fragment = FRAGMENT_MORE},
		{ACK4("198.51.100.6"), .options = 3, .fragment = FRAGMENT_MORE},
		{ACK6("2001:db8:1::99"), .headers = {44}, .fragment = FRAGMENT_MORE},
		{ACK6("2001:db8:1::6"), .headers = {60, 44, 60}, .fragment = FRAGMENT_MORE},
	};

	(void)state;
	lists_renew();
	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++)
		/* the last one has a header between the fragment's and TCP's */
		for (int bytes = i == 3 ? -8 : 0; bytes <= 20; bytes++) {
			bool six = strchr(specs[i].from, ':');
			struct frame f;
			uint8_t *length;

			frame_build(&f, &specs[i]);
			length = f.b + 14 + (six ? 4 : 2);
			f.len -= (uint32_t)(20 - bytes);
			length[0] = (f.len - 14 - (six ? 40 : 0)) >> 8;
			length[1] = f.len - 14 - (six ? 40 : 0);
			judge("header in pieces", f.b, f.len, bytes < 20 ? XDP_DROP : XDP_PASS,
			      bytes < 20 ? GG_STAT_drop_fragment : GG_STAT_not_new);
			/* As long as what is sent on must be. */
			judge("header in pieces, padded", f.b, f.len + 60,
			      bytes < 20 ? XDP_DROP : XDP_PASS,
			      bytes < 20 ? GG_STAT_drop_fragment : GG_STAT_not_new);
		}
}

#define DEEP_PIECE(...) SYN6("2001:db8:1::99"), .headers = {__VA_ARGS__}, .fragment = FRAGMENT_MORE

/* A first piece that ends before it says what follows more headers than the parser follows. */
static void a_long_chain_in_pieces_is_dropped(void **state)
{
	static const struct {
		const char *name;
		struct frame_spec frame;
		int left;      /* bytes of the packet behind its extension headers */
		uint32_t last; /* which of them is the header of a last piece; 0: none */
		bool hides;
	} rows[] = {
		{"in the last header", {DEEP_PIECE(44, 60, 60, 60, 60, 60, 60, 60)}, -8, 0, true},
		{"before TCP", {DEEP_PIECE(44, 60, 60, 60, 60, 60, 60, 60)}, 0, 0, true},
		{"before what is no TCP",
		 {DEEP_PIECE(44, 60, 60, 60, 60, 60, 60, 60), .protocol = 17},
		 0,
		 0,
		 true},
		{"a byte later",
		 {DEEP_PIECE(44, 60, 60, 60, 60, 60, 60, 60), .protocol = 17},
		 1,
		 0,
		 false},
		{"no next header",
		 {DEEP_PIECE(44, 60, 60, 60, 60, 60, 60, 60), .protocol = 59},
		 0,
		 0,
		 false},
		{"a piece of a last piece",
		 {DEEP_PIECE(44, 60, 60, 60, 60, 60, 60, 44, 60)},
		 -8,
		 7,
		 true},
		{"no piece",
		 {SYN6("2001:db8:1::99"), .headers = {44, 60, 60, 60, 60, 60, 60, 60}},
		 -8,
		 0,
		 false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct frame f;
		uint8_t *length;

		frame_build(&f, &rows[i].frame);
		if (rows[i].last)
			f.b[14 + 40 + 8 * rows[i].last + 3] &= (uint8_t)~1;
		f.len += (uint32_t)(rows[i].left - 20);
		length = f.b + 14 + 4;
		length[0] = (f.len - 14 - 40) >> 8;
		length[1] = f.len - 14 - 40;
		judge(rows[i].name, f.b, f.len, rows[i].hides ? XDP_DROP : XDP_PASS,
		      rows[i].hides ? GG_STAT_drop_fragment : GG_STAT_deep_headers);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_frame_gets_its_verdict_and_its_counter),
		cmocka_unit_test(a_frame_cut_at_any_byte_passes_until_its_headers_are_whole),
		cmocka_unit_test(a_frame_that_is_not_ours_passes_cut_at_any_byte),
		cmocka_unit_test(lengths_that_contradict_each_other_pass),
		cmocka_unit_test(padding_after_the_packet_changes_nothing),
		cmocka_unit_test(a_header_in_pieces_is_dropped),
		cmocka_unit_test(a_long_chain_in_pieces_is_dropped),
		cmocka_unit_test(random_bytes_never_hurt),
		cmocka_unit_test(endpoints_are_judged_as_long_as_they_are_protected),
	};

	return cmocka_run_group_tests(tests, lists_set_up, lists_tear_down);
}
