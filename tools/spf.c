// SPDX-License-Identifier: GPL-2.0-or-later
/* spf: what RFC 7208 says of a sender, and the path to it. The evaluator is the daemon's own. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "../userspace/config/config.h"
#include "../userspace/core/idn.h"
#include "../userspace/dns/resolver.h"
#include "../userspace/dns/spf.h"
#include "../userspace/policy/policy.h"
#include "cli.h"

#define PATIENCE 20000 /* ms for a whole check, RFC 7208 4.6.4 */
#define TIMEOUT 5000   /* ms, without a configuration */
#define WATCHES 64

struct check {
	struct spf spf;
	struct resolver *resolver;
	struct pollfd fds[WATCHES];
	uint16_t generations[WATCHES];
	struct dns_answer answer;
	bool answered;
	json_t *path;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- the resolver's loop ---- */

static void watch(void *arg, int fd, unsigned events, uint32_t slot, uint16_t generation)
{
	struct check *c = arg;

	c->fds[slot] = (struct pollfd){.fd = fd, .events = (short)events};
	c->generations[slot] = generation;
}

static void unwatch(void *arg, uint32_t slot, uint16_t generation)
{
	struct check *c = arg;

	(void)generation;
	c->fds[slot].fd = -1;
}

static void done(void *arg, struct dns_asker who, const struct dns_answer *a)
{
	struct check *c = arg;

	(void)who;
	c->answer = *a;
	c->answered = true;
}

static void wait_answer(struct check *c)
{
	while (!c->answered) {
		int ready = poll(c->fds, WATCHES, RESOLVER_TICK);

		for (uint32_t i = 0; ready > 0 && i < WATCHES; i++) {
			unsigned events = (unsigned)c->fds[i].revents;

			if (c->fds[i].fd < 0 || !events)
				continue;
			c->fds[i].fd = -1; /* until it is wanted again */
			resolver_ready(c->resolver, i, c->generations[i], events, now_ms());
		}
		resolver_tick(c->resolver, now_ms());
	}
}

static void run(struct check *c)
{
	static const struct dns_answer late = {.status = DNS_TIMEOUT};
	const struct dns_asker me = {0, 0, 0};
	uint64_t until = now_ms() + PATIENCE;

	while (spf_next(&c->spf) == SPF_ASK) {
		const struct dns_answer *a;

		if (now_ms() > until) {
			spf_answer(&c->spf, &late);
			continue;
		}
		c->answered = false;
		a = resolver_ask(c->resolver, c->spf.question.name, c->spf.question.type, me,
				 now_ms());
		if (!a) {
			wait_answer(c);
			a = &c->answer;
		}
		spf_answer(&c->spf, a);
	}
}

/* ---- settings ---- */

/* Server given by hand: "192.0.2.53", "[2001:db8::53]:5353". */
static bool read_server(const char *text, struct endpoint *ret)
{
	if (endpoint_parse(text, ret) == 0)
		return true;
	ret->port = 53;
	return addr_parse(text, &ret->addr) == 0;
}

static bool open_resolver(const struct cli *cli, const char *server, struct check *c)
{
	uint8_t key[16];
	struct endpoint given;
	struct resolver_conf conf = {
		.timeout = TIMEOUT, .cache = 1000, .key = key, .hooks = {watch, unwatch, done, c}};
	struct config *settings = NULL;
	char err[8192];
	bool opened = false;

	if (server && !read_server(server, &given)) {
		cli_complain("spf: \"%s\" is no server; allowed is an address, with a port such as "
			     "192.0.2.53:5353 or [2001:db8::53]:5353",
			     server);
		return false;
	}
	if (cli->config && config_load(cli->config, &settings, err, sizeof(err))) {
		cli_complain("the configuration does not load\n%s", err);
		return false;
	}
	if (settings) {
		conf.timeout = settings->dns.timeout;
		conf.servers = settings->dns.servers;
		conf.server_count = settings->dns.server_count;
	}
	if (server) {
		conf.servers = &given;
		conf.server_count = 1;
	}
	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		cli_complain("spf: no random numbers: %s", strerror(errno));
	else if (resolver_new(&conf, &c->resolver, err, sizeof(err)))
		cli_complain("spf: %s", err);
	else
		opened = true;
	config_free(&settings);
	return opened;
}

/* ---- what is printed ---- */

static void trace(void *arg, int depth, const char *line)
{
	struct check *c = arg;
	char text[1100];

	json_array_append_new(c->path,
			      json_pack("{s:i, s:o}", "depth", depth, "step",
					json_string(format_safe(line, 0, text, sizeof(text)))));
}

static void print(const struct check *c)
{
	char text[SPF_EXPLANATION];
	json_t *step;
	size_t i;

	printf("%s%s%s%s%s\n", format_colour('b'), spf_result_text(c->spf.result),
	       format_colour('0'), *c->spf.domain ? " for " : "",
	       format_safe(c->spf.domain, 0, text, sizeof(text)));
	if (*c->spf.explanation)
		printf("  explanation  %s\n",
		       format_safe(c->spf.explanation, 0, text, sizeof(text)));
	puts("path");
	json_array_foreach(c->path, i, step)
		printf("  %*s%s\n", 2 * (int)row_num(step, "depth"), "", row_str(step, "step"));
}

static void print_json(const struct check *c)
{
	char text[SPF_EXPLANATION];
	json_t *out = json_object();

	json_object_set_new(out, "result", json_string(spf_result_text(c->spf.result)));
	json_object_set_new(out, "domain",
			    json_string(format_safe(c->spf.domain, 0, text, sizeof(text))));
	json_object_set_new(out, "explanation",
			    json_string(format_safe(c->spf.explanation, 0, text, sizeof(text))));
	json_object_set_new(out, "decided",
			    json_string(format_safe(c->spf.decided, 0, text, sizeof(text))));
	json_object_set_new(out, "lookups", json_integer(c->spf.lookups));
	json_object_set_new(out, "voids", json_integer(c->spf.voids));
	json_object_set(out, "path", c->path);
	cli_print_json(out, NULL);
	json_decref(out);
}

/* Name servers know A-labels only (RFC 7208 4.3), as the daemon asks them. */
static const char *ascii_sender(const char *sender, char ret[POLICY_MAILBOX])
{
	const char *at = strrchr(sender, '@');
	size_t local = at ? (size_t)(at + 1 - sender) : 0;

	if (local >= POLICY_MAILBOX)
		return sender;
	memcpy(ret, sender, local);
	return idn_ascii(sender + local, ret + local, POLICY_MAILBOX - local) ? ret : sender;
}

int cmd_spf(struct cli *cli, int argc, char **argv)
{
	static struct check c;
	const char *words[3], *server = NULL;
	const struct cli_option options[] = {{"--server", &server, NULL}, {NULL, NULL, NULL}};
	struct spf_query q = {.now = (uint64_t)time(NULL), .trace = trace, .trace_arg = &c};
	char host[256] = "unknown", sender[POLICY_MAILBOX];

	if (cli_parse(cli, argc, argv, options, 3, 3, words) < 0)
		return CLI_USAGE;
	if (addr_parse(words[0], &q.addr)) {
		cli_complain("spf: \"%s\" is no address", words[0]);
		return CLI_USAGE;
	}
	if (!open_resolver(cli, server, &c))
		return CLI_FAILED;
	gethostname(host, sizeof(host) - 1);
	for (int i = 0; i < WATCHES; i++)
		c.fds[i].fd = -1;
	q.helo = words[1];
	q.sender = strcmp(words[2], "<>") ? ascii_sender(words[2], sender) : "";
	q.receiver = host;
	c.path = json_array();
	spf_begin(&c.spf, &q);
	run(&c);
	if (cli->json)
		print_json(&c);
	else
		print(&c);
	json_decref(c.path);
	resolver_free(&c.resolver);
	return CLI_DONE;
}
