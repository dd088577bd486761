// SPDX-License-Identifier: GPL-2.0-or-later
/* The ways to protected addresses as a namespace's routes say, and what is said of one without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "start.h"

static char *both[] = {(char *)"gg0", (char *)"gg1"};

static int set_up(void **state)
{
	if (start_routing_room(state))
		return -1;
	room_run("ip addr add 192.0.2.1/24 dev gg1 && ip addr add 2001:db8::1/64 dev gg1 nodad");
	return 0;
}

/* How many ways there are to these, up to three. */
static int ways(const char *const to[3], int interfaces, struct fastpath_way ret[3])
{
	static struct endpoint e[3];
	int n = 0;

	for (; n < 3 && to[n]; n++)
		e[n] = room_endpoint(to[n]);
	return fastpath_ways(e, n, both, interfaces, ret);
}

#define WAYS(ret, interfaces, ...) ways((const char *const[3]){__VA_ARGS__}, interfaces, ret)

static void is_way(const struct fastpath_way *w, const char *to, int code, bool named,
		   const char *out)
{
	char text[ENDPOINT_TEXT];

	assert_string_equal(endpoint_text(w->to, text), to);
	assert_int_equal(w->code, code);
	assert_int_equal(w->named, named);
	assert_string_equal(w->out, out);
}

static void says(const struct fastpath_way *w, const char *what, const char *mend)
{
	char text[FASTPATH_NO_WAY], command[FASTPATH_NO_WAY];

	fastpath_no_way(w, text, command);
	assert_string_equal(text, what);
	assert_string_equal(command, mend);
}

static void each_interface_once(void **state)
{
	struct fastpath_way w[3];

	(void)state;
	assert_int_equal(WAYS(w, 2, "192.0.2.25:25", "[2001:db8::25]:25", "192.0.2.26:25"), 1);
	is_way(&w[0], "192.0.2.25:25", 0, true, "gg1");
	/* A protected address is reached by an interface that is not given. */
	assert_int_equal(WAYS(w, 1, "192.0.2.25:25"), 1);
	is_way(&w[0], "192.0.2.25:25", 0, false, "gg1");
	room_run("ip -6 route add 2001:db8::26 dev gg2");
	assert_int_equal(WAYS(w, 2, "192.0.2.25:25", "[2001:db8::26]:25", "[2001:db8::25]:25"), 2);
	is_way(&w[0], "192.0.2.25:25", 0, true, "gg1");
	is_way(&w[1], "[2001:db8::26]:25", 0, false, "gg2");
	room_run("ip -6 route del 2001:db8::26 dev gg2");
}

static void each_address_without_one(void **state)
{
	struct fastpath_way w[3];

	(void)state;
	/* Those that have a way say by which interface the others should have theirs, whatever
	 * their order. */
	assert_int_equal(WAYS(w, 2, "198.51.100.25:25", "[2001:db8:5::25]:25", "192.0.2.25:25"), 3);
	is_way(&w[0], "198.51.100.25:25", -ENETUNREACH, false, "gg1");
	is_way(&w[1], "[2001:db8:5::25]:25", -ENETUNREACH, false, "gg1");
	is_way(&w[2], "192.0.2.25:25", 0, true, "gg1");
	says(&w[1], "no route to [2001:db8:5::25]:25: Network is unreachable",
	     "ip -6 route replace 2001:db8:5::25 dev gg1");
	room_run("ip -6 route replace 2001:db8:5::25 dev gg1"); /* as it says */
	assert_int_equal(WAYS(w, 2, "[2001:db8:5::25]:25"), 1);
	is_way(&w[0], "[2001:db8:5::25]:25", 0, true, "gg1");
	room_run("ip -6 route del 2001:db8:5::25 dev gg1");
	/* Nobody knows; and there is but one. */
	assert_int_equal(WAYS(w, 2, "198.51.100.25:25"), 1);
	is_way(&w[0], "198.51.100.25:25", -ENETUNREACH, false, "");
	says(&w[0], "no route to 198.51.100.25:25: Network is unreachable",
	     "ip route replace 198.51.100.25 dev INTERFACE");
	assert_int_equal(WAYS(w, 1, "198.51.100.25:25"), 1);
	is_way(&w[0], "198.51.100.25:25", -ENETUNREACH, false, "gg0");
}

static void an_address_of_this_machine(void **state)
{
	struct fastpath_way w[3];

	(void)state;
	assert_int_equal(WAYS(w, 2, "192.0.2.1:25", "[2001:db8::1]:25"), 2);
	assert_int_equal(w[0].code, -ENODEV);
	assert_int_equal(w[1].code, -ENODEV);
	says(&w[1], "no interface leads to [2001:db8::1]:25: is it an address of this machine?",
	     "ip route get 2001:db8::1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_interface_once),
		cmocka_unit_test(each_address_without_one),
		cmocka_unit_test(an_address_of_this_machine),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
