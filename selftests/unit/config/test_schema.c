// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "selftests/unit/config/parse.h"
#include "config/schema.h"

/* Another allowed value of each key, to see which change needs a restart. Keys of the other mode
 * are left to `modes`. */
static const struct {
	const char *section, *name, *value;
	bool restart;
} changes[] = {
	{"", "hostname", "\"other.example.net\"", false},
	{"", "interfaces", "{\"eth9\"}", true},
	{"", "xdp", "off", true},
	{"", "listen", "{\"127.0.0.1:2526\"}", true},
	{"", "backend", "{\"127.0.0.1:10026\"}", false},
	{"", "proxy_protocol_from", "{\"10.1.0.0/24\"}", false},
	{"", "state_dir", "/elsewhere", true},
	{"", "control", "/elsewhere", true},
	{"", "bpffs", "/elsewhere", true},
	{"", "workers", "3", true},
	{"", "user", "other", true},
	{"", "contact", "\"other@example.net\"", false},
	{"", "when_down", "closed", false},
	{"", "reattach", "no", false},
	{"", "log", "text", false},
	{"", "drain_time", "31s", false},
	{"stutter", "first", "11s", false},
	{"stutter", "interval", "2s", false},
	{"stutter", "deny_limit", "401s", false},
	{"stutter", "max_sessions", "99", false},
	{"greylist", "mode", "off", false},
	{"greylist", "match", "address", false},
	{"greylist", "delay_clean", "61s", false},
	{"greylist", "delay", "301s", false},
	{"greylist", "delay_suspicious", "901s", false},
	{"greylist", "jitter", "0", false},
	{"greylist", "window", "25h", false},
	{"greylist", "keep", "37d", false},
	{"greylist", "promote_after", "3", false},
	{"greylist", "promote_net_after", "5", false},
	{"greylist", "demote_refused", "0", false},
	{"greylist", "demote_after", "11", false},
	{"greylist", "hammer", "0", false},
	{"greylist", "sample", "65", false},
	{"greylist", "records", "2m", true},
	{"greylist", "exempt", "{\"10.0.0.0/8\"}", false},
	{"trap", "addresses", "{\"a@example.net\"}", false},
	{"trap", "hosted", "{\"example.net\"}", false},
	{"trap", "low_priority_mx", "{\"192.0.2.26\"}", false},
	{"trap", "low_priority_pause", "11m", false},
	{"trap", "harvest", "6", false},
	{"trap", "sources", "200k", true},
	{"trap", "life", "25h", false},
	{"trap", "max", "31d", false},
	{"trap", "action", "reject", false},
	{"correspondent", "observe", "no", true},
	{"correspondent", "life", "37d", false},
	{"correspondent", "domains", "200k", true},
	{"limit", "sessions", "1000", true},
	{"limit", "per_source", "51", false},
	{"limit", "new_per_source", "21", false},
	{"limit", "new_per_cpu", "21k", false},
	{"limit", "offender_life", "11m", false},
	{"limit", "recipients", "101", true},
	{"limit", "line", "4096", true},
	{"limit", "commands", "101", false},
	{"limit", "errors", "11", false},
	{"limit", "message", "51m", false},
	{"limit", "state_time", "301s", false},
	{"limit", "session_time", "901s", false},
	{"limit", "unconfirmed", "1000", true},
	{"limit", "hosts", "2m", true},
	{"limit", "nets", "200k", true},
	{"limit", "imports", "2000", true},
	{"limit", "store", "5g", true},
	{"relief", "shorten", "61", false},
	{"relief", "first", "3s", false},
	{"relief", "unstutter", "76", false},
	{"relief", "refuse", "91", false},
	{"relief", "leave", "11", false},
	{"check", "early_talk", "off", false},
	{"check", "pipelining", "off", false},
	{"check", "helo_syntax", "off", false},
	{"check", "helo_name", "off", false},
	{"check", "helo_literal", "off", false},
	{"check", "helo_ours", "off", false},
	{"check", "non_smtp", "off", false},
	{"check", "errors", "off", false},
	{"check", "paths", "off", false},
	{"tls", "sessions", "9999", true},
	{"tls", "reserve", "10", false},
	{"tls", "backend", "none", false},
	{"upstream", "xclient", "no", false},
	{"upstream", "proxy", "v2", false},
	{"upstream", "timeout", "31s", false},
	{"upstream", "connections", "501", true},
	{"upstream", "reserve", "21", false},
	{"upstream", "per_source", "31", false},
	{"upstream", "verify_recipients", "no", false},
	{"upstream", "verify_probes", "5", false},
	{"upstream", "verify_waiting", "10", false},
	{"upstream", "verify_cache", "1000", true},
	{"upstream", "verify_keep", "25h", false},
	{"upstream", "verify_keep_unknown", "1h", false},
	{"upstream", "verify_keep_domain", "7h", false},
	{"upstream", "idle", "2s", false},
	{"dns", "servers", "{\"192.0.2.53\"}", true},
	{"dns", "timeout", "6s", true},
	{"dns", "cache", "1000", true},
};

#define CHANGES (sizeof(changes) / sizeof(changes[0]))

static void restart(void **state)
{
	struct config *from = parse(GOOD), *to;
	char text[500], name[80];
	const char *key;

	(void)state;
	/* mode and protect, certificate and key, backend_ca and backend_name are missing: they
	 * cannot change alone */
	assert_int_equal(CHANGES + 6, schema_count);
	assert_null(config_needs_restart(from, from));
	for (size_t i = 0; i < CHANGES; i++) {
		const char *s = changes[i].section;
		int row = schema_find(s, changes[i].name);
		const char *listen =
			strcmp(changes[i].name, "listen") ? "listen = {\"127.0.0.1:2525\"}" : "";
		const char *backend = *s || strcmp(changes[i].name, "backend")
					      ? "backend = {\"127.0.0.1:10025\"}"
					      : "";

		assert_true(row >= 0);
		snprintf(text, sizeof(text), "%s\n%s\n%s%s%s = %s%s", listen, backend, s,
			 *s ? " { " : "", changes[i].name, changes[i].value, *s ? " }" : "");
		to = parse(text);
		for (int k = 0; k < schema_count; k++) {
			/* the default of contact follows hostname */
			bool same = k != row && !(changes[i].name[0] == 'h' && !*s &&
						  !strcmp(schema[k].name, "contact"));

			if (k == row || same)
				assert_int_equal(kind_equal(&schema[k], from, to), k != row);
		}
		key = config_needs_restart(from, to);
		if (!!key != changes[i].restart)
			fail_msg("%s: %s", text, key ? key : "no restart");
		if (key)
			assert_string_equal(key, schema_name(&schema[row], name, sizeof(name)));
		config_free(&to);
	}
	config_free(&from);
}

static void modes(void **state)
{
	struct config *from = parse(GOOD);
	struct config *to = parse(GOOD "mode = host\nprotect = {\"192.0.2.1:25\"}");
	struct config *more =
		parse(GOOD "mode = host\nprotect = {\"192.0.2.1:25\", \"[2001:db8::1]:25\"}");

	(void)state;
	assert_string_equal(config_needs_restart(from, to), "mode");
	assert_null(config_needs_restart(to, more));
	config_free(&from);
	config_free(&to);
	config_free(&more);
}

/* The sample parses, and is the defaults. */
static void sample(void **state)
{
	struct config *c, *defaults = parse(GOOD);
	char *text, *save;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	config_print_sample(f);
	fclose(f);
	c = parse(text);
	for (int i = 0; i < schema_count; i++) {
		if (!kind_equal(&schema[i], c, defaults))
			fail_msg("%s differs", schema[i].name);
		if (!strstr(text, schema[i].name))
			fail_msg("%s is missing", schema[i].name);
	}
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strlen(line) > 80)
			fail_msg("too wide: %s", line);
	}
	free(text);
	config_free(&c);
	config_free(&defaults);
}

/* The commented values of the sample are good ones as well. */
static void examples(void **state)
{
	struct config c;
	char why[KIND_WHY];

	(void)state;
	memset(&c, 0, sizeof(c));
	for (int i = 0; i < schema_count; i++) {
		const struct schema_key *k = &schema[i];

		assert_true(!k->def != !k->example);
		assert_true(strlen(k->manual) > 10 && k->manual[strlen(k->manual) - 1] == '.');
		if (kind_read(k, &c, k->def ? k->def : k->example, why))
			fail_msg("%s: %s", k->name, why);
		kind_free(k, &c);
	}
}

static void near(void **state)
{
	(void)state;
	assert_string_equal(schema_near("", "mde"), "mode");
	assert_string_equal(schema_near("", "interface"), "interfaces");
	assert_string_equal(schema_near("greylist", "dely"), "delay");
	assert_string_equal(schema_near(NULL, "greylst"), "greylist");
	assert_null(schema_near("", "certificate"));
	assert_null(schema_near("", ""));
	assert_null(
		schema_near("limit", "0123456789012345678901234567890123456789012345678901234"));
	assert_null(schema_near("nowhere", "mode"));
}

static void sections(void **state)
{
	char known[200];

	(void)state;
	assert_string_equal(schema_known(NULL, known, sizeof(known)),
			    "stutter, greylist, trap, correspondent, limit, relief, check, tls, "
			    "upstream, dns, dnslist, list, domain, mailbox");
	assert_null(schema_section(10));
	assert_int_equal(schema_find("stutter", "delay"), -1);
	assert_int_equal(schema_find("", "first"), -1);
	schema_known("", known, 10);
	assert_true(strlen(known) < 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(restart),  cmocka_unit_test(modes), cmocka_unit_test(sample),
		cmocka_unit_test(examples), cmocka_unit_test(near),  cmocka_unit_test(sections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
