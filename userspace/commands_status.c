// SPDX-License-Identifier: GPL-2.0-or-later
/* status and stats: figures and what the daemon runs on. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backend.h"
#include "commands_show.h"
#include "control/reply.h"
#include "core/log.h"
#include "detour.h"
#include "guard.h"
#include "offers.h"
#include "quota.h"
#include "relay/greeting.h"
#include "relief.h"
#include "unheard.h"
#include "verify.h"
#include "worker.h"

static const char *const counter_names[] = {
#define X(name, words) #name,
	COUNTERS(X)
#undef X
};

static const char *const kernel_names[] = {
#define X(name, words) #name,
	GG_STATS (X)
#undef X
};

static void set_int(json_t *to, const char *key, uint64_t value)
{
	json_object_set_new(to, key, json_integer((json_int_t)value));
}

static json_t *endpoints(const struct endpoint *list, int n)
{
	json_t *array = json_array();
	char text[ENDPOINT_TEXT];

	for (int i = 0; i < n; i++)
		json_array_append_new(array, json_string(endpoint_text(&list[i], text)));
	return array;
}

static json_t *store_figures(struct daemon *d)
{
	struct store_stats s;
	json_t *o = json_object();

	json_object_set_new(o, "open", json_boolean(d->store && d->writer));
	if (!d->store || !d->writer)
		return o;
	store_writer_stats(d->writer, &s);
	json_object_set_new(o, "failing", json_boolean(s.failing));
	set_int(o, "grey", s.records[RECORD_GREY]);
	set_int(o, "passed", s.records[RECORD_PASSED]);
	set_int(o, "sources", s.records[RECORD_SOURCE]);
	set_int(o, "verdicts", s.verdicts);
	set_int(o, "traps", s.traps);
	set_int(o, "bytes", s.bytes);
	set_int(o, "map_bytes", s.map_bytes);
	set_int(o, "commits", s.commits);
	set_int(o, "items", s.items);
	set_int(o, "grown", s.grown);
	set_int(o, "errors", s.errors);
	set_int(o, "expired", s.expired);
	set_int(o, "lost", s.lost);
	set_int(o, "waiting", s.waiting);
	set_int(o, "commit_us_max", s.commit_us_max);
	return o;
}

#define RESTART "systemctl restart greygated"

/* Whether the daemon has what is taken away put back, where the settings want that. */
static bool can_mend(const struct daemon *d)
{
	return !atomic_load(&d->helpless) && !atomic_load(&d->unpinned);
}

/* The command that mends it, where the daemon doesn't. */
static const char *remedy(const struct daemon *d, const struct fastpath_part *p,
			  char ret[GUARD_MEND])
{
	if (p->renamed[0])
		guard_rename(p, ret);
	else if (!can_mend(d))
		snprintf(ret, GUARD_MEND, RESTART);
	else if (p->state == FASTPATH_NO_INTERFACE)
		snprintf(ret, GUARD_MEND, "ip -brief link");
	else if (p->rival)
		snprintf(ret, GUARD_MEND, "pgrep -a greygated");
	else if (p->state == FASTPATH_OTHER && p->kind == FASTPATH_XDP)
		snprintf(ret, GUARD_MEND, "ip link set dev %s xdp off", p->interface);
	else if (p->state == FASTPATH_OTHER && p->kind != FASTPATH_LOOKUP)
		snprintf(ret, GUARD_MEND, "tc filter del dev %s %s pref %u", p->interface,
			 p->kind == FASTPATH_TC ? "ingress" : "egress", fastpath_filter(p));
	else
		snprintf(ret, GUARD_MEND, "kill -USR2 %d", (int)getpid());
	return ret;
}

/* What was taken away: what it is, where, why it isn't back; in words too. */
static json_t *kernel_missing(struct daemon *d, const struct config *c, json_t *in_words)
{
	struct fastpath_part parts[FASTPATH_PARTS];
	int n = d->fastpath ? fastpath_parts(d->fastpath, parts) : 0;
	json_t *array = json_array();
	char mend[GUARD_MEND];

	for (int i = 0; i < n; i++) {
		const struct fastpath_part *p = &parts[i];
		const bool waits =
			c->reattach && can_mend(d) && p->state != FASTPATH_OTHER && !p->renamed[0];

		if (p->state == FASTPATH_STANDS)
			continue;
		remedy(d, p, mend);
		json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:o, s:s}", "program",
						       guard_name(p->kind), "interface",
						       p->interface, "state", guard_word(p->state),
						       "reason", row_text(p->why), "mend", mend));
		if (in_words)
			json_array_append_new(
				in_words,
				json_sprintf("kernel: %s%s%s: %s%s; %s", p->interface,
					     p->interface[0] ? ": " : "", guard_name(p->kind),
					     p->why, waits ? ", is put back when it can be" : "",
					     mend));
	}
	return array;
}

/* The pin that is gone, "": none; in words too. */
static json_t *kernel_unpinned(const struct daemon *d, json_t *in_words)
{
	const char *map = d->fastpath ? atomic_load(&d->unpinned) : NULL;
	char pin[FASTPATH_PIN] = "";

	if (map)
		fastpath_pin(d->fastpath, map, pin);
	if (map && in_words)
		json_array_append_new(
			in_words,
			json_sprintf(*map ? "kernel: pin %s is gone: what is taken away is not put "
					    "back; " RESTART
					  : "kernel: pins %s are gone" GUARD_UNMOUNTED
					    ": what is taken away is not put back; " GUARD_MOUNT
					    ", then " RESTART,
				     pin));
	return row_text(pin);
}

static json_t *kernel(struct daemon *d, const struct config *c)
{
	const struct fastpath_attachment *list;
	json_t *o = json_object(), *interfaces = json_array();
	int n = d->fastpath ? fastpath_attachments(d->fastpath, &list) : 0;

	json_object_set_new(o, "loaded", json_boolean(d->fastpath));
	json_object_set_new(o, "why", row_text(d->fastpath_why));
	if (d->fastpath)
		json_object_set_new(o, "reused", json_boolean(fastpath_reused(d->fastpath)));
	for (int i = 0; i < n; i++)
		json_array_append_new(interfaces,
				      json_pack("{s:s, s:s, s:s, s:o}", "interface",
						list[i].interface, "how", list[i].how, "with",
						list[i].with, "why", row_text(list[i].why)));
	json_object_set_new(o, "interfaces", interfaces);
	json_object_set_new(o, "missing", kernel_missing(d, c, NULL));
	json_object_set_new(o, "helpless", json_boolean(atomic_load(&d->helpless)));
	json_object_set_new(o, "unpinned", kernel_unpinned(d, NULL));
	return o;
}

static json_t *backend_offers(const struct daemon *d)
{
	bool known;
	uint32_t seen = offers_caps(d, &known);
	json_t *array;

	if (!known)
		return json_null();
	array = json_array();
	for (uint32_t cap = 1; cap; cap <<= 1)
		if (seen & cap && greeting_keyword(cap))
			json_array_append_new(array, json_string(greeting_keyword(cap)));
	return array;
}

static json_t *relief(const struct daemon *d)
{
	json_t *entered = json_object();

	for (int i = RELIEF_NONE + 1; i < RELIEF_STEPS; i++)
		set_int(entered, relief_text((enum relief_step)i),
			atomic_load(&d->relief.entered[i]));
	return json_pack("{s:s, s:I, s:o}", "step", relief_text(relief_now(d)), "since",
			 (json_int_t)atomic_load(&d->relief.since), "entered", entered);
}

static json_t *upstream(const struct daemon *d, const struct config *c)
{
	return json_pack("{s:I, s:I, s:I}", "open", (json_int_t)daemon_count(d, COUNT_backend_open),
			 "max", (json_int_t)c->upstream.connections, "strangers_max",
			 (json_int_t)quota_strangers(c));
}

static json_t *verification(struct daemon *d, const struct config *c)
{
	struct verify_domain domains[VERIFY_DOMAINS];
	int n = verify_domains(d->verify, daemon_now(), domains);
	json_t *any = json_array();

	for (int i = 0; i < n; i++)
		json_array_append_new(any, row_text(domains[i].name));
	return json_pack("{s:b, s:I, s:o}", "on", c->upstream.verify_recipients, "known",
			 (json_int_t)verify_count(d->verify), "any", any);
}

static void kernel_full(struct daemon *d, const struct config *c, json_t *array)
{
	const unsigned full = d->fastpath ? fastpath_full(d->fastpath) : 0;
	const int unguarded = d->fastpath ? fastpath_unguarded(d->fastpath) : 0;

	if (unguarded)
		json_array_append_new(array, json_sprintf("kernel: " DAEMON_UNGUARDED, unguarded));

	if (d->fastpath && atomic_load(&d->unplaced))
		json_array_append_new(
			array, json_sprintf("kernel: %u entries of operators have no room and are "
					    "in force by the daemon alone; raise limit hosts or "
					    "nets and restart",
					    atomic_load(&d->unplaced)));
	if (d->fastpath && atomic_load(&d->asking))
		json_array_append_new(
			array,
			json_sprintf("kernel: %u prefixes are left to the daemon, as there is no "
				     "room for exceptions within them; raise limit hosts or nets "
				     "and restart",
				     atomic_load(&d->asking)));
	for (int i = 0; i < FASTPATH_MAPS; i++) {
		const bool host = i == FASTPATH_HOST4 || i == FASTPATH_HOST6;

		if (full >> i & 1)
			json_array_append_new(
				array,
				json_sprintf(
					"kernel: %s of IPv%d are full (%u); what is learned now is "
					"in memory alone, operators' entries replace learned ones "
					"or are refused; raise limit %s and restart",
					host ? "hosts" : "nets",
					i == FASTPATH_HOST4 || i == FASTPATH_NET4 ? 4 : 6,
					host ? c->limit.hosts : c->limit.nets,
					host ? "hosts" : "nets"));
	}
}

/* Where a mail server is of no use, what becomes of the mail. */
static const char *instead(const struct config *c, int count)
{
	if (c->mode == GG_MODE_GATEWAY)
		return "what strangers send it is put off with 451";
	return count > 1 ? "others are asked first" : "all mail is put off with 451";
}

/* Why mail does not go to a mail server: in one word, in the log's, and what mends it. */
static json_t *backend_problems(struct daemon *d, const struct config *c, json_t *in_words)
{
	int count;
	const struct endpoint *targets = config_targets(c, &count);
	json_t *array = json_array();
	char text[ENDPOINT_TEXT];
	struct timespec now;
	struct ailment a;
	uint64_t ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (uint64_t)now.tv_sec * 1000;
	for (int i = 0; i < count; i++) {
		enum ailment_cause cause = ailment_of(d, i, &a);
		const bool silent = cause == AILMENT_SILENT;

		if (!cause || (c->mode != GG_MODE_GATEWAY && !backend_is_down(d, i, ms)))
			continue;
		endpoint_text(&targets[i], text);
		json_array_append_new(array,
				      json_pack("{s:s, s:s, s:o, s:s}", "backend", text, "cause",
						ailment_word(cause), "reason", row_text(a.why),
						"mend", ailment_mend(cause)));
		if (in_words)
			json_array_append_new(in_words,
					      json_sprintf("backend %s: %s%s%s; %s; %s", text,
							   silent ? "does not answer (" : "", a.why,
							   silent ? ")" : "", ailment_mend(cause),
							   instead(c, count)));
	}
	return array;
}

static void backends_full(struct daemon *d, const struct config *c, json_t *array)
{
	char text[ENDPOINT_TEXT];
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	for (int i = 0; i < c->backend_count; i++)
		if (backend_is_full(d, i, (uint64_t)now.tv_sec * 1000))
			json_array_append_new(
				array, json_sprintf("backend %s: takes no more connections; raise "
						    "its limit of them for greygate",
						    endpoint_text(&c->backend[i], text)));
}

static void add_kernel(const char *text, void *array)
{
	json_array_append_new(array, json_sprintf("kernel: %s", text));
}

/* What an operator should know before anything else. */
static json_t *problems(struct daemon *d, const struct config *c)
{
	json_t *array = json_array();
	struct store_stats s;

	if (d->store_why[0])
		json_array_append_new(array, row_text(d->store_why));
	if (d->writer) {
		store_writer_stats(d->writer, &s);
		if (s.failing)
			json_array_append_new(
				array,
				json_sprintf("store: it cannot be written, see the log; %llu "
					     "changes are only in memory, and are written as soon "
					     "as it can be",
					     (unsigned long long)s.waiting));
		if (s.full)
			json_array_append_new(
				array,
				json_string("store: full, new grey records are only in memory; "
					    "raise limit store or free space on the disk"));
		if (s.behind)
			json_array_append_new(
				array,
				json_sprintf("store: records come faster than the disk takes them; "
					     "%llu are only in memory",
					     (unsigned long long)s.lost));
	}
	json_decref(backend_problems(d, c, array));
	backends_full(d, c, array);
	if (d->fastpath && fastpath_observe_why(d->fastpath))
		json_array_append_new(array, json_sprintf("correspondents are not observed: %s",
							  fastpath_observe_why(d->fastpath)));
	if (!d->fastpath && (c->interface_count || c->mode != GG_MODE_RELAY))
		add_kernel(d->fastpath_why, array);
	json_decref(kernel_missing(d, c, array));
	if (atomic_load(&d->helpless))
		json_array_append_new(
			array,
			json_string("kernel: greygate-start is gone: what is taken away is not put "
				    "back, an upgrade is refused; " RESTART));
	json_decref(kernel_unpinned(d, array));
	if (d->fastpath)
		detour_find(c, add_kernel, array);
	if (unheard_why())
		add_kernel(unheard_why(), array);
	kernel_full(d, c, array);
	if (table_count(d->records) > table_capacity(d->records) / 100 * 95)
		json_array_append_new(array,
				      json_string("records: memory is full, old grey records make "
						  "room; raise greylist.records"));
	if (daemon_count(d, COUNT_dns_silent))
		json_array_append_new(
			array,
			json_string("dns: no name server answers; names, lists and SPF of "
				    "clients are not known; see dns.servers or resolv.conf"));
	listing_problems(d, array);
	if (log_dropped())
		json_array_append_new(array, json_sprintf("log: %llu lines were dropped",
							  (unsigned long long)log_dropped()));
	return array;
}

int show_status(struct control_reply *r, json_t *args, void *daemon)
{
	struct daemon *d = daemon;
	const struct config *c = atomic_load(&d->config);
	json_t *s = control_summary(r);
	int target_count;
	const struct endpoint *targets = config_targets(c, &target_count);

	(void)args;
	json_object_set_new(s, "version", json_string(GREYGATE_VERSION));
	json_object_set_new(s, "mode", json_string(config_mode_text(c->mode)));
	set_int(s, "pid", (uint64_t)getpid());
	set_int(s, "started", d->started);
	set_int(s, "uptime_s", (reply_now() - d->begun) / 1000);
	json_object_set_new(s, "draining", json_boolean(atomic_load(&d->draining)));
	if (atomic_load(&d->before.pid))
		json_object_set_new(s, "before",
				    json_pack("{s:i, s:i}", "pid", atomic_load(&d->before.pid),
					      "sessions", (int)atomic_load(&d->before.sessions)));
	json_object_set_new(s, "config", d->config_file ? row_text(d->config_file) : json_null());
	set_int(s, "workers", (uint64_t)d->worker_count);
	set_int(s, "session_bytes", worker_session_bytes());
	set_int(s, "sessions", daemon_count(d, COUNT_sessions));
	set_int(s, "sessions_max", c->limit.sessions);
	set_int(s, "stuttering", daemon_count(d, COUNT_stuttering));
	json_object_set_new(s, "listen", endpoints(c->listen, c->listen_count));
	json_object_set_new(s, "protect", endpoints(c->protect, c->protect_count));
	json_object_set_new(s, "backend", endpoints(targets, target_count));
	json_object_set_new(s, "backend_problems", backend_problems(d, c, NULL));
	json_object_set_new(s, "backend_offers", backend_offers(d));
	json_object_set_new(s, "upstream", upstream(d, c));
	json_object_set_new(s, "relief", relief(d));
	json_object_set_new(s, "verify", verification(d, c));
	json_object_set_new(s, "kernel", kernel(d, c));
	set_int(s, "records", table_count(d->records));
	set_int(s, "records_max", table_capacity(d->records));
	set_int(s, "verdicts", verdicts_count(d->verdicts));
	json_object_set_new(s, "store", store_figures(d));
	json_object_set_new(s, "lists", listing_rows(d));
	json_object_set_new(s, "problems", problems(d, c));
	return 0;
}

int show_stats(struct control_reply *r, json_t *args, void *daemon)
{
	struct daemon *d = daemon;
	json_t *s = control_summary(r);
	uint64_t kernel_stats[GG_STAT_MAX];

	(void)args;
	for (int i = 0; i < COUNT_MAX; i++)
		set_int(s, counter_names[i], daemon_count(d, (enum counter)i));
	if (d->fastpath && !fastpath_stats(d->fastpath, kernel_stats)) {
		for (int i = 0; i < GG_STAT_MAX; i++)
			set_int(s, kernel_names[i], kernel_stats[i]);
	}
	json_object_set_new(s, "store", store_figures(d));
	json_object_set_new(s, "lists", listing_rows(d));
	return 0;
}
