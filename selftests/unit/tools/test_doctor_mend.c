// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/doctor_mend.c"

static char file[] = "/tmp/greygate-mend.XXXXXX";

bool doctor_names(const struct config *c, const char *interface)
{
	for (int i = 0; i < c->interface_count; i++)
		if (!strcmp(c->interfaces[i], interface))
			return true;
	return false;
}

/* A machine with g0, which leads nowhere, g1, which leads to IPv4, and g2, which leads to IPv6. */
unsigned if_nametoindex(const char *name)
{
	return *name == 'g';
}

struct if_nameindex *if_nameindex(void)
{
	static struct if_nameindex all[] = {
		{1, (char *)"lo"}, {2, (char *)"g0"}, {3, (char *)"g2"}, {4, (char *)"g1"}, {0}};

	return all;
}

void if_freenameindex(struct if_nameindex *all)
{
	(void)all;
}

int fastpath_way_out(const struct addr *to, char ret[IF_NAMESIZE])
{
	snprintf(ret, IF_NAMESIZE, addr_is4(to) ? "g1" : "g2");
	return 0;
}

/* p1 and q1 are ports of g1. */
bool fastpath_master(const char *interface, struct fastpath_master *ret)
{
	*ret = (struct fastpath_master){"g1", "bridge", true};
	return !strcmp(interface, "p1") || !strcmp(interface, "q1");
}

static void put(const char *text)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* Where a command is offered, it is run, and leaves the text that follows. */
static const struct {
	const char *before, *name, *words, *after;
} layouts[] = {
	{"interfaces = {\"g0\"}\n", NULL, NULL, "interfaces = {\"g0\", \"g1\"}\n"},
	{"a = 1\n\tinterfaces={ \"g0\" , \"gx\" } # the {two}\nb = 1\n", NULL, NULL,
	 "a = 1\n\tinterfaces={ \"g0\" , \"gx\" , \"g1\"} # the {two}\nb = 1\n"},
	{"# interfaces = {\"x\"}\n// interfaces += {\"x\"}\ninterfaces = {\"g0\"}\n", NULL, NULL,
	 "# interfaces = {\"x\"}\n// interfaces += {\"x\"}\ninterfaces = {\"g0\", \"g1\"}\n"},
	{"interfaces = {\"gone\", \"g0\"}", "gone", NULL, "interfaces = {\"g1\", \"g0\"}"},
	{"interfaces = {\"g0\",\n\"gx\"}\n", NULL, "line 1", NULL},
	{"interfaces = {\"g0\"}\n\ninterfaces += {\"gx\"}\n", NULL, "line 3", NULL},
	{"interfaces += {\"g0\"}\n", NULL, "line 1", NULL},
	{"interfaces =\n{\"g0\"}\n", NULL, "line 1", NULL},
	{"interfaces = {}\n", NULL, "line 1", NULL},
	{"interfaces = {\"g0\",}\n", NULL, "line 1", NULL},
	{"interfaces = {g0}\n", NULL, "line 1", NULL},
	{"interfaces = {\"${OUTER}\"}\n", NULL, "line 1", NULL},
	{"mode = gateway interfaces = {\"g0\"}\n", NULL, "line 1", NULL},
	{"interfaces = {\"g0\"} mode = gateway\n", NULL, "line 1", NULL},
	{"/* interfaces = {\"x\"} */\ninterfaces = {\"g0\"}\n", NULL, "line 2", NULL},
	{"interfaces = {\"g0\",\n\"gone\"}\n", "gone", "line 1", NULL},
	{"interfaces = {\"g0\", \"gone2\"}\n", "gone", "line 1", NULL},
	{"mode = relay\n", NULL, "", NULL},
};

static void each_layout(void **state)
{
	const struct doctor d = {.config_file = file};
	char mend[500], wanted[500], text[500];

	(void)state;
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		size_t n;
		FILE *f;

		put(layouts[i].before);
		doctor_mend_list(&d, layouts[i].name, "g1", mend, sizeof(mend));
		if (layouts[i].words) {
			snprintf(wanted, sizeof(wanted), "%s interfaces, %s%s%s",
				 layouts[i].name ? "write \"g1\" for \"gone\" in"
						 : "add \"g1\" inside the braces of",
				 layouts[i].words, *layouts[i].words ? " of " : "", file);
			assert_string_equal(mend, wanted);
			continue;
		}
		assert_int_equal(system(mend), 0);
		f = fopen(file, "r");
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
		text[n] = '\0';
		assert_string_equal(text, layouts[i].after);
	}
}

/* Each is run twice: two interfaces may say the same. */
static void each_value(void **state)
{
	static const struct {
		const char *before, *words, *after;
	} t[] = {
		{"a = 1\n", NULL, "xdp = off\na = 1\n"},
		{"# xdp = auto\n// xdp = auto\na = 1", NULL,
		 "xdp = off\n# xdp = auto\n// xdp = auto\na = 1"},
		{"a = 1\n\txdp=auto # the = sign\nb = 1\n", NULL,
		 "a = 1\n\txdp= off # the = sign\nb = 1\n"},
		{"xdp = auto\nxdp = native\n", "xdp = off, line 2 of ", NULL},
		{"xdp = auto a = 1\n", "xdp = off, line 1 of ", NULL},
		{"a = 1 xdp = auto\n", "xdp = off, line 1 of ", NULL},
		{"xdp =\nauto\n", "xdp = off, line 1 of ", NULL},
		{"xdp = \"auto\"\n", "xdp = off, line 1 of ", NULL},
		{"/* xdp = auto */\n", "xdp = off, line 1 of ", NULL},
	};
	struct doctor d = {.config_file = file};
	char mend[500], wanted[500], text[500];

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		size_t n;
		FILE *f;

		put(t[i].before);
		doctor_mend_value(&d, "xdp", "off", mend, sizeof(mend));
		if (t[i].words) {
			snprintf(wanted, sizeof(wanted), "write %s%s", t[i].words, file);
			assert_string_equal(mend, wanted);
			continue;
		}
		assert_int_equal(system(mend), 0);
		assert_int_equal(system(mend), 0);
		f = fopen(file, "r");
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
		text[n] = '\0';
		assert_string_equal(text, t[i].after);
	}
	d.config_file = "/nonexistent/greygate.conf";
	doctor_mend_value(&d, "xdp", "off", mend, sizeof(mend));
	assert_string_equal(mend, "write xdp = off into /nonexistent/greygate.conf");
}

static void files_that_no_command_is_made_for(void **state)
{
	struct doctor d = {.config_file = "/nonexistent/my greygate.conf"};
	char mend[500];

	(void)state;
	doctor_mend_list(&d, NULL, "g1", mend, sizeof(mend));
	assert_string_equal(mend, "add \"g1\" inside the braces of interfaces, "
				  "/nonexistent/my greygate.conf");
	d.config_file = NULL;
	doctor_mend_list(&d, NULL, "g1", mend, sizeof(mend));
	assert_string_equal(mend, "add \"g1\" inside the braces of interfaces, the configuration");
	assert_false(is_simple("/etc/it's"));
	assert_true(is_simple("/etc/greygate/greygate.conf"));
}

/* Whatever is run of them, no interface is named twice, and none that isn't there is left. */
static void mends_fit_each_other(void **state)
{
	static const struct {
		const char *names[3], *missing[2], *unnamed[2]; /* within the mends */
	} t[] = {
		{{"g0"}, {NULL}, {"s/}/, \"g1\"}/", "s/}/, \"g2\"}/"}},
		{{"g0", "none"}, {"s/\"none\"/\"g1\"/"}, {"s/\"none\"/\"g1\"/", "s/}/, \"g2\"}/"}},
		{{"none", "nil"},
		 {"s/\"none\"/\"g1\"/", "s/\"nil\"/\"g2\"/"},
		 {"s/\"none\"/\"g1\"/", "s/\"nil\"/\"g2\"/"}},
	};
	static const char *const ways[] = {"g1", "g2"};
	struct endpoint both[] = {{.addr.b = {[10] = 0xff, 0xff, 192, 0, 2, 25}, .port = 25},
				  {.addr.b = {0x20, 1}, .port = 25}};
	char mend[500];

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct config c = {.mode = GG_MODE_GATEWAY, .protect = both, .protect_count = 2};
		const struct doctor d = {.config = &c, .config_file = file};
		char *names[3];
		FILE *f = fopen(file, "w");

		assert_non_null(f);
		for (; c.interface_count < 3 && t[i].names[c.interface_count];
		     c.interface_count++) {
			names[c.interface_count] = (char *)t[i].names[c.interface_count];
			fprintf(f, "%s\"%s\"", c.interface_count ? ", " : "interfaces = {",
				names[c.interface_count]);
		}
		fputs("}\n", f);
		fclose(f);
		c.interfaces = names;
		for (int k = 0, nth = 0; k < c.interface_count; k++)
			if (!if_nametoindex(names[k])) {
				assert_true(doctor_mend_missing(&d, names[k], mend, sizeof(mend)));
				assert_non_null(strstr(mend, t[i].missing[nth++]));
			}
		for (int k = 0; k < 2; k++) {
			doctor_mend_unnamed(&d, ways[k], mend, sizeof(mend));
			assert_non_null(strstr(mend, t[i].unnamed[k]));
		}
	}
}

/* A master takes the place of the first of its ports, whichever check says so; the others go. */
static void masters_for_their_ports(void **state)
{
	static const struct {
		const char *names[3], *before, *after;
	} t[] = {
		{{"g0", "p1"}, "{\"g0\", \"p1\"}", "{\"g0\", \"g1\"}"},
		{{"p1", "g0", "q1"}, "{\"p1\", \"g0\", \"q1\"}", "{\"g1\", \"g0\"}"},
		{{"q1", "p1", "g0"}, "{ \"q1\" , \"p1\" , \"g0\" }", "{ \"g1\" , \"g0\" }"},
		{{"p1", "g1"}, "{\"p1\", \"g1\"}", "{\"g1\"}"},
	};
	static const char *const orders[][3] = {{"p1", "q1", "g1"}, {"g1", "q1", "p1"}};
	const struct fastpath_master g1 = {"g1", "bridge", true};
	char mends[3][500], text[500], wanted[500];

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(t) / sizeof(t[0]); i++) {
		struct config c = {.mode = GG_MODE_GATEWAY, .interfaces = (char **)t[i / 2].names};
		const struct doctor d = {.config = &c, .config_file = file};
		size_t n;
		FILE *f;

		while (c.interface_count < 3 && c.interfaces[c.interface_count])
			c.interface_count++;
		snprintf(text, sizeof(text), "interfaces = %s\n", t[i / 2].before);
		put(text);
		/* All are said before one is run. */
		for (int k = 0; k < 3; k++) {
			const char *name = orders[i % 2][k];

			mends[k][0] = '\0';
			if (doctor_names(&c, name) && *name != 'g')
				doctor_mend_port(&d, name, &g1, mends[k], sizeof(mends[k]));
			else if (!doctor_names(&c, name) && *name == 'g')
				doctor_mend_unnamed(&d, name, mends[k], sizeof(mends[k]));
		}
		for (int k = 0; k < 3; k++)
			assert_int_equal(system(mends[k]), 0);
		f = fopen(file, "r");
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
		text[n] = '\0';
		snprintf(wanted, sizeof(wanted), "interfaces = %s\n", t[i / 2].after);
		assert_string_equal(text, wanted);
	}
}

/* More names are wrong than there are interfaces to take their places. */
static void no_interface_is_left(void **state)
{
	char *names[] = {(char *)"a", (char *)"b", (char *)"c", (char *)"e"};
	struct config c = {.mode = GG_MODE_RELAY, .interfaces = names, .interface_count = 4};
	const struct doctor d = {.config = &c, .config_file = file};
	char mend[500] = "as it was";

	(void)state;
	assert_false(doctor_mend_missing(&d, "e", mend, sizeof(mend)));
	assert_string_equal(mend, "as it was");
}

static int set_up(void **state)
{
	int fd = mkstemp(file);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
	(void)state;
	return unlink(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_layout),
		cmocka_unit_test(each_value),
		cmocka_unit_test(files_that_no_command_is_made_for),
		cmocka_unit_test(mends_fit_each_other),
		cmocka_unit_test(masters_for_their_ports),
		cmocka_unit_test(no_interface_is_left),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
