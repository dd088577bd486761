// SPDX-License-Identifier: GPL-2.0-or-later
/* What is told of the ways to protected addresses, and when: the ways are the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "../../../userspace/detour.c"
#include "../core/logged.h"

static const struct endpoint v4 = {.addr.b = {[10] = 0xff, 0xff, 192, 0, 2, 25}, .port = 25},
			     v6 = {.addr.b = {0x20, 1, [15] = 1}, .port = 25};
static struct fastpath_way ways[2];
static int asked;

int fastpath_ways(const struct endpoint *to, int n, char *const *interfaces, int interface_count,
		  struct fastpath_way *ret)
{
	(void)to;
	(void)interfaces;
	(void)interface_count;
	asked++;
	memcpy(ret, ways, (size_t)n * sizeof(*ret));
	return n;
}

/* Of g1: what stands before its filter, what over it. */
static const char *ahead, *upper;

bool fastpath_port(const char *interface, char ret[FASTPATH_PORT])
{
	(void)interface;
	(void)ret;
	return false;
}

bool fastpath_ahead(const char *interface, char ret[FASTPATH_PORT], char ret_mend[FASTPATH_PORT])
{
	if (!ahead || strcmp(interface, "g1") != 0)
		return false;
	snprintf(ret, FASTPATH_PORT, "%s", ahead);
	snprintf(ret_mend, FASTPATH_PORT, "move it");
	return true;
}

bool fastpath_upper(const char *interface, char *const *interfaces, int interface_count,
		    char ret_name[16], char ret_kind[16])
{
	(void)interfaces;
	if (!upper || strcmp(interface, "g1") != 0 || interface_count != 2)
		return false;
	snprintf(ret_name, 16, "%s", upper);
	snprintf(ret_kind, 16, "macvlan");
	return true;
}

void fastpath_no_way(const struct fastpath_way *w, char ret[FASTPATH_NO_WAY],
		     char ret_mend[FASTPATH_NO_WAY])
{
	char text[ENDPOINT_TEXT];

	snprintf(ret, FASTPATH_NO_WAY, "no route to %s", endpoint_text(w->to, text));
	snprintf(ret_mend, FASTPATH_NO_WAY, "the mend");
}

static struct config config = {.mode = GG_MODE_GATEWAY, .protect_count = 2};
static struct daemon d;
static struct detour detour;

static const struct fastpath_way well4 = {&v4, 0, true, "g1"}, well6 = {&v6, 0, true, "g2"},
				 past4 = {&v4, 0, false, "g3"},
				 lost6 = {&v6, -ENETUNREACH, false, "g1"};

static int set_up(void **state)
{
	(void)state;
	atomic_store(&d.config, &config);
	d.fastpath = (struct fastpath *)&d; /* nobody looks into it */
	detour_begin(&detour, &d);
	return 0;
}

/* What the log says until the ways have been asked for once more, "": nothing. */
static char *told(const struct fastpath_way *a, const struct fastpath_way *b)
{
	const int before = asked;

	ways[0] = *a;
	ways[1] = *b;
	begin(LOG_TEXT);
	for (int i = 0; i < LOOK_EVERY; i++)
		detour_step(&detour);
	assert_int_equal(asked, before + 1);
	return end();
}

static void the_log_tells_what_has_changed(void **state)
{
	static const struct {
		const struct fastpath_way *a, *b;
		const char *text; /* NULL: none */
	} t[] = {
		{&well4, &well6, NULL},
		{&past4, &well6,
		 "the way to 192.0.2.25:25 leads by g3, which is not in interfaces"},
		{&past4, &well6, NULL},
		{&past4, &lost6,
		 "the way to protected addresses is not as it should be in 2 places, see greygate "
		 "status; the first: the way to 192.0.2.25:25 leads by g3"},
		{&past4, &lost6, NULL},
		{&well4, &lost6, "no route to [2001::1]:25; the mend"},
		{&well4, &well6, "the way to each protected address leads by interfaces"},
		{&well4, &well6, NULL},
		{&well4, &lost6, "no route to [2001::1]:25; the mend"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char *text = told(t[i].a, t[i].b);

		if (t[i].text ? !strstr(text, t[i].text) : *text)
			fail_msg("%zu: \"%s\"", i, text);
		free(text);
	}
}

static void note(const char *text, void *all)
{
	size_t len = strlen(all);

	snprintf((char *)all + len, 1000 - len, "%s|", text);
}

static void status_has_all_of_them(void **state)
{
	struct config relay = {.mode = GG_MODE_RELAY, .protect_count = 2};
	char all[1000] = "";

	(void)state;
	ways[0] = past4;
	ways[1] = lost6;
	assert_int_equal(detour_find(&config, note, all), 2);
	assert_non_null(strstr(all, "add \"g3\" to interfaces and restart|no route to "
				    "[2001::1]:25; the mend|"));
	ways[0] = well4;
	*all = '\0';
	assert_int_equal(detour_find(&config, note, all), 1);
	assert_string_equal(all, "no route to [2001::1]:25; the mend|");
	assert_int_equal(detour_find(&relay, note, all), 0);
}

static void who_comes_past_an_interface_is_told(void **state)
{
	char *const interfaces[] = {(char *)"g0", (char *)"g1"};
	struct config c = config;
	char all[1000] = "";

	(void)state;
	c.interfaces = (char **)interfaces;
	c.interface_count = 2;
	ways[0] = well4;
	ways[1] = well6;
	assert_int_equal(detour_find(&c, note, all), 0);
	ahead = "a filter";
	upper = "mv0";
	assert_int_equal(detour_find(&c, note, all), 2);
	assert_string_equal(all, "a filter; move it|interface g1: what is for an address of mv0 "
				 "(macvlan) over it is that one's: strangers who come by it go "
				 "past the daemon; add \"mv0\" to interfaces, with xdp = off where "
				 "its driver has no native XDP, and restart, or take it away: ip "
				 "link del dev mv0|");
	ahead = upper = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_log_tells_what_has_changed),
		cmocka_unit_test(status_has_all_of_them),
		cmocka_unit_test(who_comes_past_an_interface_is_told),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
