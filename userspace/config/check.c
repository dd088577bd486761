// SPDX-License-Identifier: GPL-2.0-or-later
/* What keys demand of each other. Every key by itself is in range when this runs. */
#include <string.h>

#include "schema.h"

struct check {
	const struct config *config;
	const int *lines;
	struct complaints *to;
};

static int line_of(const struct check *c, const char *section, const char *name)
{
	return c->lines[schema_find(section, name)];
}

/* A rule blames the later of the two keys it is about; a default has no line. */
static int later(int a, int b)
{
	return a > b ? a : b;
}

static bool loopback(const struct addr *a)
{
	static const struct addr v6 = {{[15] = 1}};

	return addr_is4(a) ? a->b[12] == 127 : addr_eq(a, &v6);
}

/* A wildcard stands for the addresses of this machine; of another's it says nothing. */
static bool covers(const struct endpoint *wide, const struct endpoint *e, bool here)
{
	return wide->port == e->port &&
	       (addr_eq(&wide->addr, &e->addr) ||
		(addr_is_any(&wide->addr) && addr_is4(&wide->addr) == addr_is4(&e->addr) &&
		 (here || loopback(&e->addr))));
}

/* No endpoint of `key` may be one of `other`. here: whichever they are, they are this machine's. */
static void apart(const struct check *c, const char *key, const struct endpoint *list, int n,
		  const char *other, const struct endpoint *others, int m, bool here,
		  const char *mend)
{
	char text[ENDPOINT_TEXT], clash[ENDPOINT_TEXT];

	for (int i = 0; i < n; i++) {
		for (int j = 0; j < m; j++) {
			if (covers(&list[i], &others[j], here) ||
			    covers(&others[j], &list[i], here))
				complain(c->to, line_of(c, "", key), key, "%s is also %s %s; %s",
					 endpoint_text(&list[i], text), other,
					 endpoint_text(&others[j], clash), mend);
		}
	}
}

static void no_wildcard(const struct check *c, const char *key, const struct endpoint *list, int n)
{
	char text[ENDPOINT_TEXT];

	for (int i = 0; i < n; i++) {
		if (addr_is_any(&list[i].addr))
			complain(c->to, line_of(c, "", key), key,
				 "%s stands for every address; name the mail server's own",
				 endpoint_text(&list[i], text));
	}
}

/* Each certificate has its key. */
static void check_tls(const struct check *c)
{
	const struct config *f = c->config;

	if (f->tls.certificate_count != f->tls.key_count)
		complain(c->to, later(line_of(c, "tls", "certificate"), line_of(c, "tls", "key")),
			 f->tls.key_count > f->tls.certificate_count ? "tls.certificate"
								     : "tls.key",
			 "%d certificates and %d keys; give as many of each, in the same order",
			 f->tls.certificate_count, f->tls.key_count);
}

/* Whom to believe is asked for only where it is, and then it has to be said. */
static void check_verified(const struct check *c)
{
	const struct config *f = c->config;
	const char *idle = f->tls.backend_ca           ? "backend_ca"
			   : f->tls.backend_name_count ? "backend_name"
						       : NULL;

	if (f->tls.backend == CONFIG_TLS_VERIFIED && !f->tls.backend_ca)
		complain(c->to, line_of(c, "tls", "backend"), "tls.backend",
			 "verified needs tls.backend_ca: the file of those who are believed; for "
			 "example backend_ca = \"/etc/ssl/certs/ca-certificates.crt\"");
	else if (f->tls.backend != CONFIG_TLS_VERIFIED && idle)
		complain(c->to, line_of(c, "tls", idle),
			 f->tls.backend_ca ? "tls.backend_ca" : "tls.backend_name",
			 "has no effect without tls.backend = verified; set that or take it away");
}

/* What a mode says of a key that lists something. */
static const struct demand {
	enum gg_mode mode;
	const char *key;
	bool needed; /* else it has no effect */
	const char *words;
} demands[] = {
	{GG_MODE_RELAY, "listen", true, "; for example listen = {\"0.0.0.0:25\"}"},
	{GG_MODE_RELAY, "backend", true,
	 ": the mail server that gets the mail; for example backend = {\"127.0.0.1:10025\"}"},
	{GG_MODE_RELAY, "protect", false, " or set mode = host"},
	{GG_MODE_HOST, "listen", true, "; for example listen = {\"127.0.0.1:2525\"}"},
	{GG_MODE_HOST, "backend", true,
	 ": the mail server that gets the mail; for example backend = {\"127.0.0.1:25\"}"},
	{GG_MODE_HOST, "protect", true,
	 ": what is guarded; for example protect = {\"192.0.2.25:25\"}"},
	{GG_MODE_GATEWAY, "interfaces", true,
	 ": the outer and the inner one; for example interfaces = {\"eth0\", \"eth1\"}"},
	{GG_MODE_GATEWAY, "protect", true,
	 ": the mail server behind this machine; for example protect = {\"192.0.2.25:25\"}"},
	{GG_MODE_GATEWAY, "listen", false, ": connections are taken to what is in protect"},
	{GG_MODE_GATEWAY, "backend", false, ": mail goes to what is in protect"},
	{GG_MODE_GATEWAY, "proxy_protocol_from", false, ": clients come in their own name"},
};

static int how_many(const struct config *f, const char *key)
{
	return !strcmp(key, "listen")                ? f->listen_count
	       : !strcmp(key, "backend")             ? f->backend_count
	       : !strcmp(key, "protect")             ? f->protect_count
	       : !strcmp(key, "proxy_protocol_from") ? f->balancer_count
						     : f->interface_count;
}

static void check_demands(const struct check *c)
{
	const char *mode = config_mode_text(c->config->mode);

	for (size_t i = 0; i < sizeof(demands) / sizeof(demands[0]); i++) {
		const struct demand *d = &demands[i];
		bool given = how_many(c->config, d->key) > 0;

		if (d->mode != c->config->mode || given == d->needed)
			continue;
		if (d->needed)
			complain(c->to, line_of(c, "", "mode"), d->key, "mode %s needs it%s", mode,
				 d->words);
		else
			complain(c->to, line_of(c, "", d->key), d->key,
				 "has no effect in mode %s; take it away%s", mode, d->words);
	}
}

static void check_mode(const struct check *c)
{
	const struct config *f = c->config;

	check_demands(c);
	if (f->mode == GG_MODE_GATEWAY && f->upstream.proxy)
		complain(c->to, line_of(c, "upstream", "proxy"), "upstream.proxy",
			 "has no effect in mode gateway, where the mail server sees the client's "
			 "own address; take it away");
	if (f->mode == GG_MODE_GATEWAY && f->protect_count > CONFIG_GATEWAY_ENDPOINTS)
		complain(c->to, line_of(c, "", "protect"), "protect",
			 "%d endpoints; mode gateway guards at most %d", f->protect_count,
			 CONFIG_GATEWAY_ENDPOINTS);
	no_wildcard(c, "backend", f->backend, f->backend_count);
	no_wildcard(c, "protect", f->protect, f->protect_count);
	apart(c, "listen", f->listen, f->listen_count, "in protect as", f->protect,
	      f->protect_count, true,
	      "the mail server listens there; choose another port, such as 127.0.0.1:2525");
	apart(c, "backend", f->backend, f->backend_count, "in listen as", f->listen,
	      f->listen_count, false,
	      "the daemon would send mail to itself; name the mail server's endpoint");
}

/* What is wrong when `longer` is not longer than `shorter`; `words` tells it. */
struct order {
	const char *section, *shorter;
	const char *other, *longer;
	bool equal; /* may be equal */
	bool both;  /* only when both are set: the default of the other does no harm */
	const char *words;
};

static const struct order orders[] = {
	{"stutter", "first", "limit", "session_time", false, false,
	 "not shorter than limit.session_time: every session would end in its banner"},
	{"stutter", "deny_limit", "limit", "session_time", true, true,
	 "longer than limit.session_time, which ends the session before"},
	{"greylist", "delay_clean", "greylist", "delay", true, true, "longer than greylist.delay"},
	{"greylist", "delay", "greylist", "delay_suspicious", true, true,
	 "longer than greylist.delay_suspicious"},
	{"greylist", "delay_clean", "greylist", "window", false, true,
	 "not shorter than greylist.window: no retry could ever count"},
	{"greylist", "delay", "greylist", "window", false, false,
	 "not shorter than greylist.window: no retry could ever count"},
	{"greylist", "delay_suspicious", "greylist", "window", false, true,
	 "not shorter than greylist.window: no retry could ever count"},
	{"greylist", "window", "greylist", "keep", true, true, "longer than greylist.keep"},
	{"upstream", "verify_keep_unknown", "upstream", "verify_keep", true, true,
	 "longer than upstream.verify_keep"},
	{"trap", "life", "trap", "max", true, false, "longer than trap.max"},
	{"relief", "shorten", "relief", "unstutter", true, false, "more than relief.unstutter"},
	{"relief", "unstutter", "relief", "refuse", true, false, "more than relief.refuse"},
	{"relief", "leave", "relief", "shorten", false, false,
	 "not less than relief.shorten: the step would never be left"},
};

static uint64_t value_of(const struct config *f, const struct schema_key *k)
{
	const void *field = schema_field(f, k);

	return k->kind == KIND_NUMBER ? *(const uint32_t *)field : *(const uint64_t *)field;
}

static void check_orders(const struct check *c)
{
	const struct config *f = c->config;
	char name[80];

	if (f->stutter.first && f->stutter.first < f->stutter.interval)
		complain(c->to,
			 later(line_of(c, "stutter", "first"), line_of(c, "stutter", "interval")),
			 "stutter.first",
			 "shorter than stutter.interval, so that no byte would be drawn out; "
			 "allowed is 0 or stutter.interval and more");
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		const struct order *o = &orders[i];
		int row = schema_find(o->section, o->shorter);
		int other = schema_find(o->other, o->longer);
		uint64_t less = value_of(f, &schema[row]), more = value_of(f, &schema[other]);

		if (less < more || (o->equal && less == more) ||
		    (o->both && (!c->lines[row] || !c->lines[other])))
			continue;
		complain(c->to, later(c->lines[row], c->lines[other]),
			 schema_name(&schema[row], name, sizeof(name)), "%s", o->words);
	}
}

static void check_patterns(const struct check *c)
{
	const struct config *f = c->config;
	int patterns = 0;

	for (int i = 0; i < f->trap.address_count; i++)
		patterns += policy_pattern(f->trap.addresses[i]);
	if (patterns > POLICY_PATTERNS)
		complain(c->to, line_of(c, "trap", "addresses"), "trap.addresses",
			 "%d patterns of local parts; at most %d are allowed", patterns,
			 POLICY_PATTERNS);
}

static int how_many_low(const struct config *f, const struct endpoint *list, int n)
{
	int low = 0;

	for (int i = 0; i < n; i++)
		for (int k = 0; k < f->trap.low_count; k++)
			low += addr_eq(&list[i].addr, &f->trap.low_priority_mx[k]);
	return low;
}

/* Who tried the first MX is known only where it is guarded here, too. */
static void check_low_priority(const struct check *c)
{
	const struct config *f = c->config;
	bool relay = f->mode == GG_MODE_RELAY;
	int n = relay ? f->listen_count : f->protect_count;
	int low = how_many_low(f, relay ? f->listen : f->protect, n);

	if (f->trap.low_count && low && low == n)
		complain(c->to, line_of(c, "trap", "low_priority_mx"), "trap.low_priority_mx",
			 "names every address in %s; the first MX has to be guarded here, too",
			 relay ? "listen" : "protect");
}

static int key_of(const struct schema_list *l, const char *name)
{
	for (int i = 0; i < l->key_count; i++)
		if (!strcmp(l->keys[i].name, name))
			return i;
	return -1;
}

/* What a level says itself must go with what it takes from wider ones. */
static void check_level(const struct check *c, const struct schema_list *l, int n,
			const int own[SCHEMA_ELEMENT_KEYS])
{
	const void *level = schema_element_at(l, c->config, n);
	char name[80];

	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		const struct order *o = &orders[i];
		int less = key_of(l, o->shorter), more = key_of(l, o->longer);
		uint64_t shorter, longer;

		if (strcmp(o->section, "greylist") != 0 || less < 0 || more < 0 ||
		    (!own[less] && !own[more]))
			continue;
		shorter = *(uint64_t *)schema_field(level, &l->keys[less]);
		longer = *(uint64_t *)schema_field(level, &l->keys[more]);
		if (shorter < longer || (o->equal && shorter == longer) ||
		    (o->both && (!own[less] || !own[more])))
			continue;
		complain(c->to, later(own[less], own[more]),
			 schema_name(&l->keys[less], name, sizeof(name)), "%s", o->words);
	}
}

static void check_levels(const struct check *c, const struct schema_lines lines[SCHEMA_LISTS])
{
	for (int i = 0; i < schema_lists_count; i++) {
		const struct schema_list *l = &schema_lists[i];

		if (!(l->keys[0].flags & KEY_LEVEL))
			continue;
		for (int n = 0; n < *(int *)((char *)c->config + l->count) && n < lines[i].room;
		     n++)
			check_level(c, l, n, lines[i].of[n]);
	}
}

void check_config(const struct config *c, const int *lines,
		  const struct schema_lines elements[SCHEMA_LISTS], bool whole,
		  struct complaints *to)
{
	struct check check = {c, lines, to};

	if (whole)
		check_mode(&check);
	check_patterns(&check);
	check_low_priority(&check);
	check_orders(&check);
	check_levels(&check, elements);
	check_tls(&check);
	check_verified(&check);
	lists_check(c, elements, to);
}
