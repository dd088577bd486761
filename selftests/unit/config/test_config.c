// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "selftests/unit/config/parse.h"
#include "config/schema.h"

/* ---- what is right ---- */

static void defaults(void **state)
{
	struct config *c = parse(GOOD);
	char host[256] = "", contact[300];

	(void)state;
	gethostname(host, sizeof(host) - 1);
	snprintf(contact, sizeof(contact), "postmaster@%s", host);
	assert_string_equal(c->hostname, host);
	assert_string_equal(c->contact, contact);
	assert_int_equal(c->mode, GG_MODE_RELAY);
	assert_int_equal(c->interface_count, 0);
	assert_int_equal(c->xdp, FASTPATH_AUTO);
	assert_int_equal(c->listen_count, 1);
	assert_int_equal(c->listen[0].port, 2525);
	assert_int_equal(c->protect_count, 0);
	assert_int_equal(c->backend_count, 1);
	assert_string_equal(c->state_dir, "/var/lib/greygate");
	assert_string_equal(c->control, "/run/greygate/control.sock");
	assert_string_equal(c->bpffs, "/sys/fs/bpf/greygate");
	assert_int_equal(c->workers, 0);
	assert_string_equal(c->user, "greygate");
	assert_true(c->open_when_down);
	assert_int_equal(c->log, LOG_JSON);
	assert_int_equal(c->drain_time, 30000);
	assert_int_equal(c->stutter.first, 10000);
	assert_int_equal(c->stutter.interval, 1000);
	assert_int_equal(c->stutter.deny_limit, 400000);
	assert_int_equal(c->stutter.max_sessions, 100000);
	assert_int_equal(c->greylist.mode, POLICY_ENFORCE);
	assert_int_equal(c->greylist.match, MATCH_NETWORK);
	assert_int_equal(c->greylist.delay_clean, 60000);
	assert_int_equal(c->greylist.delay, 300000);
	assert_int_equal(c->greylist.delay_suspicious, 900000);
	assert_int_equal(c->greylist.jitter, 20);
	assert_int_equal(c->greylist.window, 86400000);
	assert_true(c->greylist.keep == 36 * 86400000ull);
	assert_int_equal(c->greylist.promote_after, 2);
	assert_int_equal(c->greylist.promote_net_after, 4);
	assert_int_equal(c->greylist.hammer, 10);
	assert_int_equal(c->greylist.records, 1000000);
	assert_int_equal(c->greylist.exempt_count, 0);
	assert_int_equal(c->trap.address_count, 0);
	assert_int_equal(c->trap.life, 86400000);
	assert_true(c->trap.max == 30 * 86400000ull);
	assert_int_equal(c->trap.action, GG_STUTTER);
	assert_int_equal(c->limit.sessions, 200000);
	assert_int_equal(c->limit.per_source, 50);
	assert_int_equal(c->limit.recipients, 100);
	assert_int_equal(c->limit.line, 2048);
	assert_int_equal(c->limit.commands, 100);
	assert_int_equal(c->limit.errors, 10);
	assert_int_equal(c->limit.message, 50 << 20);
	assert_int_equal(c->limit.state_time, 300000);
	assert_int_equal(c->limit.session_time, 900000);
	assert_int_equal(c->limit.hosts, 1000000);
	assert_int_equal(c->limit.nets, 100000);
	assert_true(c->limit.store == 4ull << 30);
	assert_int_equal(c->relief.steps.enter[RELIEF_SHORTER], 60);
	assert_int_equal(c->relief.steps.enter[RELIEF_UNSTUTTERED], 75);
	assert_int_equal(c->relief.steps.enter[RELIEF_REFUSE], 90);
	assert_int_equal(c->relief.steps.leave, 10);
	assert_int_equal(c->relief.first, 2000);
	assert_true(c->upstream.xclient);
	assert_false(c->upstream.proxy);
	assert_int_equal(c->upstream.timeout, 30000);
	assert_int_equal(c->upstream.connections, 500);
	assert_int_equal(c->upstream.reserve, 20);
	assert_int_equal(c->upstream.per_source, 30);
	assert_true(c->upstream.verify_recipients);
	assert_int_equal(c->upstream.verify_probes, 4);
	assert_int_equal(c->upstream.verify_cache, 100000);
	assert_int_equal(c->upstream.verify_keep, 86400000);
	assert_int_equal(c->upstream.verify_keep_unknown, 7200000);
	assert_int_equal(c->upstream.verify_keep_domain, 21600000);
	config_free(&c);
	assert_null(c);
	config_free(&c);
}

static void everything(void **state)
{
	struct config *c = parse(
		"hostname = mx.example.net // a comment, and \"quotes\" in it {\n"
		"/* one\n of three { lines\n */ mode = host\n"
		"interfaces = {\"eth0\", 'eth1.7', lo}\n"
		"xdp = generic\n"
		"listen = {\"127.0.0.1:10025\", \"[::1]:10025\"}\n"
		"protect = {\"192.0.2.25:25\",\n\t\"[2001:db8::25]:25\"}\n"
		"backend = {\"127.0.0.1:25\"}\n"
		"state_dir = \"/tmp/a b\" control = /tmp/c bpffs = '/tmp/d'\n"
		"workers = 4 user = nobody contact = \"a.b+c@BÜCHER.example\" when_down = closed\n"
		"log = text drain_time = 1h\n"
		"stutter { first = 0 interval = 10ms deny_limit = 5m max_sessions = 0 }\n"
		"greylist {\n mode = learn match = address delay_clean = 0 delay = 1m\n"
		"delay_suspicious = 2m jitter = 50 window = 1h keep = 2d promote_after = 0\n"
		"promote_net_after = 9 hammer = 3 records = 20k exempt = {\"192.0.2.0/24\", "
		"\"2001:db8::/32\", 198.51.100.1} }\n"
		"trap { addresses = {\"old@example.net\", \"@unused.example.net\", "
		"\"a*b?@x.net\",\n"
		"\"u@*.x.net\", \"@*.x.net\", '\"*\"@x.net'} hosted = {Example.NET, \"*.x.net\", "
		"\"BÜCHER.example\", "
		"\"*.bücher.example\"}\n"
		"low_priority_mx = {192.0.2.26, \"2001:db8::26\"} low_priority_pause = 0\n"
		"harvest = 0 sources = 1k life = 1h\n"
		"max = 2h action = drop_all }\n"
		"limit { sessions = 1k per_source = 1 recipients = 10000 line = 512 commands = 10\n"
		"errors = 1 message = 64k state_time = 1s session_time = 10m hosts = 1k\n"
		"nets = 100 store = 16m }\n"
		"upstream { xclient = no proxy = v2 timeout = 1s connections = 1 }");
	char text[PREFIX_TEXT];

	(void)state;
	assert_string_equal(c->hostname, "mx.example.net");
	assert_int_equal(c->mode, GG_MODE_HOST);
	assert_int_equal(c->interface_count, 3);
	assert_string_equal(c->interfaces[1], "eth1.7");
	assert_int_equal(c->listen_count, 2);
	assert_false(addr_is4(&c->listen[1].addr));
	assert_int_equal(c->protect_count, 2);
	assert_string_equal(c->state_dir, "/tmp/a b");
	assert_string_equal(c->contact, "a.b+c@xn--bcher-kva.example");
	assert_false(c->open_when_down);
	assert_int_equal(c->stutter.first, 0);
	assert_int_equal(c->greylist.mode, POLICY_LEARN);
	assert_int_equal(c->greylist.match, MATCH_ADDRESS);
	assert_int_equal(c->greylist.records, 20000);
	assert_int_equal(c->greylist.promote_net_after, 9);
	assert_int_equal(c->greylist.hammer, 3);
	assert_int_equal(c->greylist.exempt_count, 3);
	assert_string_equal(prefix_text(&c->greylist.exempt[1], text), "2001:db8::/32");
	assert_string_equal(c->trap.addresses[1], "@unused.example.net");
	assert_string_equal(c->trap.addresses[5], "\"*\"@x.net");
	assert_string_equal(c->trap.hosted[0], "example.net");
	assert_string_equal(c->trap.hosted[2], "xn--bcher-kva.example");
	assert_string_equal(c->trap.hosted[3], "*.xn--bcher-kva.example");
	assert_int_equal(c->trap.hosted_count, 4);
	assert_int_equal(c->trap.low_count, 2);
	assert_int_equal(c->trap.harvest, 0);
	assert_int_equal(c->trap.action, GG_DROP_ALL);
	assert_false(c->upstream.xclient);
	assert_true(c->upstream.proxy);
	assert_int_equal(c->limit.store, 16 << 20);
	config_free(&c);
}

/* The policy gets whole seconds, and of every setting its own. */
static void policy(void **state)
{
	struct config *c =
		parse(GOOD "greylist { mode = learn match = address delay_clean = 1s "
			   "delay = 2s delay_suspicious = 3s jitter = 4 window = 5s "
			   "keep = 6s promote_after = 7 promote_net_after = 8 hammer = 9 }");
	struct policy_conf p = config_policy(c);

	(void)state;
	assert_int_equal(p.mode, POLICY_LEARN);
	assert_int_equal(p.match, MATCH_ADDRESS);
	assert_int_equal(p.delay[CLASS_CLEAN], 1);
	assert_int_equal(p.delay[CLASS_DEFAULT], 2);
	assert_int_equal(p.delay[CLASS_SUSPICIOUS], 3);
	assert_int_equal(p.jitter, 4);
	assert_int_equal(p.window, 5);
	assert_int_equal(p.keep, 6);
	assert_int_equal(p.promote_after, 7);
	assert_int_equal(p.promote_net_after, 8);
	assert_int_equal(p.hammer, 9);
	config_free(&c);
}

/* Who only borrows settings need not name a listener; what is wrong is wrong all the same. */
static void settings_alone(void **state)
{
	char name[] = "/tmp/greygate-settings.XXXXXX", err[2000];
	const char *const texts[] = {"greylist { delay = 7s }\n", "greylist { delay = 7x }\n",
				     "greylist { delay = 2h window = 1h }\n", "mode = host\n"};
	const int want[] = {0, -EINVAL, -EINVAL, 0};
	struct config *c = NULL;
	int fd = mkstemp(name);

	(void)state;
	assert_int_equal(config_load_settings(NULL, &c, err, sizeof(err)), 0);
	assert_int_equal(c->greylist.delay, 300000);
	config_free(&c);
	assert_true(fd >= 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, texts[i], strlen(texts[i]), 0), strlen(texts[i]));
		assert_int_equal(config_load_settings(name, &c, err, sizeof(err)), want[i]);
		assert_int_equal(config_load(name, &c, err, sizeof(err)), -EINVAL);
		config_free(&c);
	}
	close(fd);
	unlink(name);
	assert_int_equal(config_load_settings(name, &c, err, sizeof(err)), -ENOENT);
}

static void append(void **state)
{
	struct config *c = parse(GOOD "listen += {\"[::1]:2525\"}");

	(void)state;
	assert_int_equal(c->listen_count, 2);
	assert_int_equal(c->backend_count, 1);
	config_free(&c);
}

static void dns_lists(void **state)
{
	struct config *c = parse(GOOD "dns { servers = {\"192.0.2.53\", \"[2001:db8::1]:5353\", "
				      "\"2001:db8::2\", \"192.0.2.54:54\"} }\n"
				      "dnslist \"zen.example.org\" {\n weight = 2\n"
				      " replies = \"127.0.0.2-11\"\n}\n"
				      "dnslist 'white.example.org' { weight = -3 }\n"
				      "dnslist \"plain.example.org\" { }\n");

	(void)state;
	assert_int_equal(c->dns.server_count, 4);
	assert_int_equal(c->dns.servers[0].port, 53);
	assert_int_equal(c->dns.servers[1].port, 5353);
	assert_int_equal(c->dns.servers[2].port, 53);
	assert_int_equal(c->dns.servers[3].port, 54);
	assert_int_equal(c->dns.timeout, 5000);
	assert_int_equal(c->dns.cache, 100000);
	assert_int_equal(c->dnslist_count, 3);
	assert_string_equal(c->dnslists[0].zone, "zen.example.org");
	assert_int_equal(c->dnslists[0].weight, 2);
	assert_int_equal(c->dnslists[0].replies.count, 1);
	assert_int_equal(c->dnslists[0].replies.mask[0].high[3], 11);
	assert_string_equal(c->dnslists[1].zone, "white.example.org");
	assert_int_equal(c->dnslists[1].weight, -3);
	assert_int_equal(c->dnslists[2].weight, 1);
	assert_int_equal(c->dnslists[2].replies.mask[0].high[1], 255);
	config_free(&c);
}

static void files(void **state)
{
	char name[] = "/tmp/test_config.XXXXXX", err[4096], where[100];
	int fd = mkstemp(name);
	struct config *c;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, GOOD, sizeof(GOOD) - 1), sizeof(GOOD) - 1);
	assert_int_equal(config_load(name, &c, err, sizeof(err)), 0);
	config_free(&c);
	assert_int_equal(write(fd, "\n\0x", 3), 3);
	assert_int_equal(config_load(name, &c, err, sizeof(err)), -EINVAL);
	snprintf(where, sizeof(where), "%s:4: a NUL byte", name);
	assert_ptr_equal(strstr(err, where), err);
	assert_int_equal(ftruncate(fd, 5 << 20), 0);
	assert_int_equal(config_load(name, &c, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "larger than"));
	close(fd);
	unlink(name);
	assert_int_equal(config_load(name, &c, err, sizeof(err)), -ENOENT);
	assert_non_null(strstr(err, "No such file"));
	assert_int_equal(config_load("/tmp", &c, err, sizeof(err)), -EISDIR);
}

static void samples(void **state)
{
	static const char *const names[] = {"tools/examples/relay.conf", "tools/examples/host.conf",
					    "tools/examples/gateway.conf"};
	static const enum gg_mode modes[] = {GG_MODE_RELAY, GG_MODE_HOST, GG_MODE_GATEWAY};
	struct config *c;
	char err[4096];

	(void)state;
	for (int i = 0; i < 3; i++) {
		if (config_load(names[i], &c, err, sizeof(err)))
			fail_msg("%s", err);
		assert_int_equal(c->mode, modes[i]);
		config_free(&c);
	}
}

static void *parse_often(void *arg)
{
	struct config *c;
	char err[1000];

	(void)arg;
	for (int i = 0; i < 200; i++) {
		if (config_parse("F", GOOD, &c, err, sizeof(err)))
			return (void *)1;
		config_free(&c);
		if (config_parse("F", GOOD "foo = \"", &c, err, sizeof(err)) != -EINVAL)
			return (void *)2;
	}
	return NULL;
}

/* SIGHUP and `greygate reload` may come together. */
static void threads(void **state)
{
	pthread_t t[4];
	void *rc;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, parse_often, NULL), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &rc);
		assert_null(rc);
	}
}

/* All of a prefix has to be a balancer's, not a part of it. */
static void balancers(void **state)
{
	struct config *c = parse(
		GOOD "proxy_protocol_from = {\"192.0.2.8\", \"10.1.0.0/24\", \"2001:db8::/64\"}");
	static const struct {
		const char *prefix;
		bool is;
	} rows[] = {
		{"192.0.2.8", true},      {"192.0.2.9", false},   {"192.0.2.8/31", false},
		{"10.1.0.77", true},      {"10.1.0.0/24", true},  {"10.1.0.128/25", true},
		{"10.1.0.0/23", false},   {"10.1.1.0", false},    {"2001:db8::7", true},
		{"2001:db8::/63", false}, {"2001:db9::7", false}, {"::/0", false},
		{"0.0.0.0/0", false},
	};
	struct prefix p;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(prefix_parse(rows[i].prefix, &p), 0);
		if (config_balancer(c, &p) != rows[i].is)
			fail_msg("%s", rows[i].prefix);
		assert_false(config_balancer(NULL, &p));
	}
	config_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults), cmocka_unit_test(everything),
		cmocka_unit_test(policy),   cmocka_unit_test(settings_alone),
		cmocka_unit_test(append),   cmocka_unit_test(dns_lists),
		cmocka_unit_test(files),    cmocka_unit_test(samples),
		cmocka_unit_test(threads),  cmocka_unit_test(balancers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
