// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the domain name system says of a client: its name, the lists that name it, the policy of its
 * sender's domain. Questions are asked as soon as there is something to ask and answered whenever
 * that is; a decision takes what is there.
 *
 * While a session stutters it holds no evidence: the answers wait in the resolver's cache and are
 * put together again when the dialog begins, which then costs no question.
 */
#include <stdio.h>
#include <string.h>

#include "core/idn.h"
#include "dns/lists.h"
#include "dns/name.h"
#include "evidence.h"
#include "worker.h"

#define PATIENCE 1000      /* ms a recipient may wait for the policy of its sender's domain */
#define CHECK_TIME 20000   /* ms for a whole SPF check, RFC 7208 4.6.4 */
#define QUIET 60000        /* ms between two complaints that no server answers */
#define LIST_QUIET 3600000 /* ms between two complaints about one list */

/* dns_asker.part: what an answer is for. */
enum part { PART_PTR, PART_ADDRESS, PART_SPF, PART_LIST };
_Static_assert(PART_LIST + CONFIG_DNSLISTS <= 32, "parts are bits");

static const char *const names[] = {
	[NAME_UNKNOWN] = "unknown",
	[NAME_NONE] = "none",
	[NAME_UNCONFIRMED] = "unconfirmed",
	[NAME_CONFIRMED] = "confirmed",
};

static const char *const spfs[] = {
	[SPF_UNKNOWN] = "unknown",     [SPF_NONE] = "none",           [SPF_NEUTRAL] = "neutral",
	[SPF_PASS] = "pass",           [SPF_FAIL] = "fail",           [SPF_SOFTFAIL] = "softfail",
	[SPF_TEMPERROR] = "temperror", [SPF_PERMERROR] = "permerror",
};

/* The evaluator's results in the policy's words. */
static const uint8_t verdict_of[SPF_R_MAX] = {
	[SPF_R_NONE] = SPF_NONE,           [SPF_R_NEUTRAL] = SPF_NEUTRAL,
	[SPF_R_PASS] = SPF_PASS,           [SPF_R_FAIL] = SPF_FAIL,
	[SPF_R_SOFTFAIL] = SPF_SOFTFAIL,   [SPF_R_TEMPERROR] = SPF_TEMPERROR,
	[SPF_R_PERMERROR] = SPF_PERMERROR,
};

const char *evidence_name_text(uint8_t state)
{
	return names[state];
}

const char *evidence_spf_text(uint8_t state)
{
	return spfs[state];
}

static struct evidence *evidence_at(struct worker *w, uint32_t number)
{
	return pool_at(&w->evidences, number);
}

static struct check *check_at(struct worker *w, uint32_t number)
{
	return pool_at(&w->checks, number);
}

static enum dns_type address_type(const struct addr *a)
{
	return addr_is4(a) ? DNS_A : DNS_AAAA;
}

/* The answer if it is there at once; else the part is pending. */
static const struct dns_answer *ask(struct worker *w, uint32_t number, int part, const char *name,
				    enum dns_type type)
{
	struct evidence *e = evidence_at(w, number);
	struct dns_asker who = {number, e->generation, (uint16_t)part};
	const struct dns_answer *a = resolver_ask(w->resolver, name, type, who, w->now);

	if (!a)
		e->pending |= 1u << part;
	return a;
}

/* ---- the client's name ---- */

static bool holds(const struct dns_answer *a, const struct addr *addr)
{
	const uint8_t *data;
	size_t at = 0, len;

	while (dns_record(a, &at, &data, &len)) {
		size_t skip = addr_is4(addr) ? 12 : 0;

		if (len == sizeof(addr->b) - skip && !memcmp(data, addr->b + skip, len))
			return true;
	}
	return false;
}

/* Asks for the addresses of the names in order, as far as that goes without waiting. */
static void confirm(struct worker *w, uint32_t number, const struct dns_answer *a)
{
	struct evidence *e = evidence_at(w, number);

	for (;;) {
		if (a && holds(a, &e->src)) {
			e->found.name_state = NAME_CONFIRMED;
			memcpy(e->found.name, e->names[e->name_at], sizeof(e->names[0]));
			return;
		}
		if (a) {
			e->unsure |= a->status == DNS_FAILED || a->status == DNS_TIMEOUT;
			e->name_at++;
		}
		if (e->name_at == e->name_count)
			break;
		a = ask(w, number, PART_ADDRESS, e->names[e->name_at], address_type(&e->src));
		if (!a)
			return;
	}
	e->found.name_state = e->unsure ? NAME_UNKNOWN : NAME_UNCONFIRMED;
}

static void on_names(struct worker *w, uint32_t number, const struct dns_answer *a)
{
	struct evidence *e = evidence_at(w, number);
	const uint8_t *data;
	size_t at = 0, len;

	if (a->status == DNS_FAILED || a->status == DNS_TIMEOUT)
		return;
	while (e->name_count < EVIDENCE_NAMES && dns_record(a, &at, &data, &len)) {
		char *name = e->names[e->name_count];

		if (len >= sizeof(e->names[0]))
			continue;
		memcpy(name, data, len);
		name[len] = 0;
		e->name_count += name_is_host(name);
	}
	if (a->status == DNS_NONE)
		e->found.name_state = NAME_NONE;
	else
		confirm(w, number, NULL);
}

/* ---- lists ---- */

static void on_list(struct worker *w, uint32_t number, int list, const struct dns_answer *a)
{
	struct evidence *e = evidence_at(w, number);
	const struct config_dnslist *l = &e->config->dnslists[list];
	enum dnslist_says says = dnslist_read(&l->replies, a);
	struct log_line line;

	if (says == DNSLIST_LISTED)
		e->found.list_score = (int16_t)(e->found.list_score + l->weight);
	if (says == DNSLIST_UNKNOWN || says == DNSLIST_REFUSED)
		e->untold |= 1u << (PART_LIST + list);
	if (says != DNSLIST_REFUSED)
		return;
	counter_add(&w->counters, COUNT_dns_refused, 1);
	if (w->now < w->list_quiet[list])
		return;
	w->list_quiet[list] = w->now + LIST_QUIET;
	log_begin(&line, LOG_DNS);
	log_str(&line, "reason", "list_refused");
	log_str(&line, "zone", l->zone);
	log_end(&line);
}

/* ---- SPF ---- */

static void check_drop(struct worker *w, struct evidence *e)
{
	if (e->check == POOL_NONE)
		return;
	check_at(w, e->check)->generation++;
	pool_give(&w->checks, e->check);
	e->check = POOL_NONE;
	e->pending &= ~(1u << PART_SPF);
}

static void lower(char to[EVIDENCE_NAME], const char from[DNS_NAME])
{
	size_t i;

	for (i = 0; from[i]; i++)
		to[i] = (char)(from[i] >= 'A' && from[i] <= 'Z' ? from[i] + ('a' - 'A') : from[i]);
	to[i] = 0;
}

/* Takes the check as far as it goes without waiting; a: the answer it has waited for, or NULL. */
static void check_run(struct worker *w, uint32_t number, const struct dns_answer *a)
{
	static const struct dns_answer late = {.status = DNS_TIMEOUT};
	struct check *c = check_at(w, number);
	struct evidence *e = evidence_at(w, c->evidence);
	struct dns_asker who = {number, c->generation, PART_SPF};

	e->pending &= ~(1u << PART_SPF);
	for (;;) {
		if (a)
			spf_answer(&c->spf, w->now - c->began > CHECK_TIME ? &late : a);
		if (spf_next(&c->spf) == SPF_DONE)
			break;
		a = resolver_ask(w->resolver, c->spf.question.name, c->spf.question.type, who,
				 w->now);
		if (!a) {
			e->pending |= 1u << PART_SPF;
			return;
		}
	}
	/* The policy of a domain that vouches for everybody makes no two clients one sender. */
	e->found.spf = c->spf.anyone && c->spf.result == SPF_R_PASS ? SPF_NEUTRAL
								    : verdict_of[c->spf.result];
	lower(e->found.spf_domain, c->spf.domain);
	check_drop(w, e);
}

/* RFC 7208 4.3: name servers know A-labels only. */
static const char *ascii_sender(const struct smtp_path *path, char text[POLICY_MAILBOX])
{
	size_t local = path->domain;

	if (!path->wide || !local || local >= POLICY_MAILBOX)
		return path->text;
	memcpy(text, path->text, local);
	return idn_ascii(path->text + local, text + local, POLICY_MAILBOX - local) ? text
										   : path->text;
}

void evidence_mail(struct worker *w, uint32_t n)
{
	char sender[POLICY_MAILBOX];
	struct session *s = worker_session(w, n);
	const struct smtp *smtp = session_smtp(w, s);
	struct spf_query q = {.addr = s->src,
			      .helo = smtp->helo,
			      .sender = ascii_sender(&smtp->reverse, sender),
			      .receiver = w->config->hostname,
			      .now = w->wall};
	struct evidence *e;
	struct check *c;

	if (s->evidence == POOL_NONE)
		return;
	e = evidence_at(w, s->evidence);
	check_drop(w, e);
	e->found.spf = SPF_UNKNOWN;
	e->found.spf_domain[0] = 0;
	e->waited = e->held = false;
	e->check = pool_take(&w->checks);
	if (e->check == POOL_NONE) {
		counter_add(&w->counters, COUNT_queue_full, 1);
		return;
	}
	c = check_at(w, e->check);
	c->evidence = s->evidence;
	c->began = w->now;
	spf_begin(&c->spf, &q);
	check_run(w, e->check, NULL);
}

/* ---- beginning and end ---- */

static void begin(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);
	uint32_t number = pool_take(&w->evidences);
	const struct dns_answer *a;
	char name[DNS_NAME];
	struct evidence *e;

	s->evidence = number;
	if (number == POOL_NONE)
		return;
	e = evidence_at(w, number);
	memset(&e->pending, 0,
	       offsetof(struct evidence, names) - offsetof(struct evidence, pending));
	e->session = n;
	e->check = POOL_NONE;
	e->src = s->src;
	e->config = w->config;
	a = ask(w, number, PART_PTR, name_reverse(&s->src, name), DNS_PTR);
	if (a)
		on_names(w, number, a);
	for (int i = 0; i < e->config->dnslist_count; i++) {
		if (!name_listed(&s->src, e->config->dnslists[i].zone, name))
			continue;
		a = ask(w, number, PART_LIST + i, name, DNS_A);
		if (a)
			on_list(w, number, i, a);
	}
}

void evidence_end(struct worker *w, struct session *s)
{
	struct evidence *e;

	if (s->evidence == POOL_NONE)
		return;
	e = evidence_at(w, s->evidence);
	check_drop(w, e);
	e->generation++;
	pool_give(&w->evidences, s->evidence);
	s->evidence = POOL_NONE;
}

/* The answers are kept; what they said is put together again when it is wanted. */
static void settle(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);

	if (s->phase == PHASE_STUTTER && s->evidence != POOL_NONE &&
	    !evidence_at(w, s->evidence)->pending)
		evidence_end(w, s);
}

void evidence_begin(struct worker *w, uint32_t n)
{
	begin(w, n);
	settle(w, n);
}

void evidence_dialog(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);

	if (s->allowed || s->denied || s->hangup)
		return;
	if (s->evidence == POOL_NONE)
		begin(w, n);
	if (s->evidence != POOL_NONE)
		evidence_at(w, s->evidence)->stuttered = (uint32_t)(w->now - s->started);
}

const struct policy_evidence *evidence_of(struct worker *w, const struct session *s)
{
	return s->evidence == POOL_NONE ? NULL : &evidence_at(w, s->evidence)->found;
}

void evidence_names(struct worker *w, const struct session *s, const char **ret_name,
		    const char **ret_reverse, bool *ret_unsure)
{
	const struct evidence *e = s->evidence == POOL_NONE ? NULL : evidence_at(w, s->evidence);
	bool confirmed = e && e->found.name_state == NAME_CONFIRMED;

	*ret_name = confirmed ? e->found.name : NULL;
	*ret_reverse = confirmed ? e->found.name : e && e->name_count ? e->names[0] : NULL;
	*ret_unsure = e && e->found.name_state == NAME_UNKNOWN;
}

/* ---- waiting ---- */

static void go_on(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);

	s->wait = WAIT_NONE;
	judge_recipient(w, n);
	session_continue(w, n);
}

static bool wait_begin(struct worker *w, uint32_t n, struct evidence *e)
{
	struct session *s = worker_session(w, n);

	if (!wheel_add(w->drips, n, s->generation, w->now + PATIENCE))
		return false;
	e->wait_until = w->now + PATIENCE;
	s->wait = WAIT_EVIDENCE;
	return true;
}

/* An answer came: whether it was the last one of those that the recipient waits for. */
static void answered(struct worker *w, const struct evidence *e)
{
	const struct session *s = worker_session(w, e->session);

	if (s->wait == WAIT_EVIDENCE && s->phase == PHASE_DIALOG &&
	    (e->held ? !e->pending : e->check == POOL_NONE))
		go_on(w, e->session);
}

bool evidence_wait(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);
	uint32_t usual = resolver_usual(w->resolver);
	struct evidence *e;

	if (s->evidence == POOL_NONE)
		return false;
	e = evidence_at(w, s->evidence);
	if (e->check == POOL_NONE || e->waited || resolver_dead(w->resolver))
		return false;
	/* Who was not held by the banner, or not as long as an answer takes, is not held here
	 * either; and what is not to be had in time is not waited for. */
	if (e->stuttered < w->config->stutter.interval || e->stuttered < usual ||
	    usual * 3 > PATIENCE)
		return false;
	e->waited = true;
	return wait_begin(w, n, e);
}

/* The lists of good sources among those whose bits are set. */
static bool vouching(const struct config *c, uint32_t parts)
{
	for (int i = 0; i < c->dnslist_count; i++)
		if (c->dnslists[i].weight < 0 && parts >> (PART_LIST + i) & 1)
			return true;
	return false;
}

bool evidence_may_exempt(const struct worker *w)
{
	return vouching(w->config, UINT32_MAX) || listing_allows_names(&w->daemon->lists);
}

bool evidence_missing(struct worker *w, const struct session *s, bool sender)
{
	const struct evidence *e = s->evidence == POOL_NONE ? NULL : evidence_at(w, s->evidence);

	if (!e)
		return sender || evidence_may_exempt(w);
	if (vouching(e->config, e->pending | e->untold))
		return true;
	if (sender && (e->found.spf == SPF_UNKNOWN || e->found.spf == SPF_TEMPERROR))
		return true;
	return e->found.name_state == NAME_UNKNOWN &&
	       (sender || listing_allows_names(&w->daemon->lists));
}

bool evidence_ask(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);

	if (s->evidence != POOL_NONE)
		return false;
	begin(w, n);
	return s->evidence != POOL_NONE;
}

bool evidence_hold(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);
	struct evidence *e;

	if (s->evidence == POOL_NONE)
		return false;
	e = evidence_at(w, s->evidence);
	if (!e->pending || e->held || resolver_dead(w->resolver))
		return false;
	e->held = true;
	return wait_begin(w, n, e);
}

void evidence_overdue(struct worker *w, uint32_t n)
{
	const struct session *s = worker_session(w, n);

	/* The last entry of the stutter, or of an earlier wait, may come first. */
	if (s->phase == PHASE_DIALOG && w->now >= evidence_at(w, s->evidence)->wait_until)
		go_on(w, n);
}

/* ---- answers ---- */

static void on_check(struct worker *w, struct dns_asker who, const struct dns_answer *a)
{
	struct check *c = check_at(w, who.number);
	struct evidence *e;

	if (c->generation != who.generation)
		return;
	e = evidence_at(w, c->evidence);
	check_run(w, who.number, a);
	answered(w, e);
}

static void on_answer(void *worker, struct dns_asker who, const struct dns_answer *a)
{
	struct worker *w = worker;
	struct evidence *e;

	if (who.part == PART_SPF) {
		on_check(w, who, a);
		return;
	}
	e = evidence_at(w, who.number);
	if (e->generation != who.generation)
		return;
	e->pending &= ~(1u << who.part);
	if (who.part == PART_PTR)
		on_names(w, who.number, a);
	else if (who.part == PART_ADDRESS)
		confirm(w, who.number, a);
	else
		on_list(w, who.number, who.part - PART_LIST, a);
	settle(w, e->session);
	answered(w, e);
}

/* ---- the resolver ---- */

static void poll_fd(void *worker, int fd, unsigned events, uint32_t slot, uint16_t generation)
{
	struct worker *w = worker;

	ring_poll_once(&w->rings[0], fd, events, (struct ring_event){slot, generation, OP_DNS});
}

static void poll_cancel(void *worker, uint32_t slot, uint16_t generation)
{
	struct worker *w = worker;

	ring_cancel(&w->rings[0], (struct ring_event){slot, generation, OP_DNS},
		    (struct ring_event){0, 0, OP_CANCEL});
}

int evidence_make(struct worker *w, const struct config *c, char *err, size_t err_size)
{
	uint32_t slots = (uint32_t)w->ring_count << w->slot_bits;
	uint32_t workers = (uint32_t)w->daemon->worker_count;
	struct resolver_conf conf = {.servers = c->dns.servers,
				     .server_count = c->dns.server_count,
				     .timeout = c->dns.timeout,
				     .cache = (c->dns.cache + workers - 1) / workers,
				     .key = w->daemon->key,
				     .hooks = {poll_fd, poll_cancel, on_answer, w}};
	char why[200];
	int rc;

	rc = pool_new(&w->evidences, slots, sizeof(struct evidence));
	if (!rc)
		rc = pool_new(&w->checks, slots < EVIDENCE_CHECKS ? slots : EVIDENCE_CHECKS,
			      sizeof(struct check));
	if (rc) {
		snprintf(err, err_size, "worker memory: %s; lower limit sessions", strerror(-rc));
		return rc;
	}
	rc = resolver_new(&conf, &w->resolver, why, sizeof(why));
	if (rc)
		snprintf(err, err_size, "dns: %s", why);
	return rc;
}

void evidence_unmake(struct worker *w)
{
	resolver_free(&w->resolver);
	pool_free(&w->evidences);
	pool_free(&w->checks);
}

static void count(struct worker *w)
{
	const struct resolver_stats *now = resolver_stats(w->resolver);
	struct resolver_stats *seen = &w->dns_seen;

	counter_add(&w->counters, COUNT_dns_asked, (int64_t)(now->asked - seen->asked));
	counter_add(&w->counters, COUNT_dns_kept,
		    (int64_t)(now->kept + now->joined - seen->kept - seen->joined));
	counter_add(&w->counters, COUNT_dns_failed, (int64_t)(now->failed - seen->failed));
	counter_add(&w->counters, COUNT_dns_timeouts, (int64_t)(now->timeouts - seen->timeouts));
	counter_add(&w->counters, COUNT_dns_unasked, (int64_t)(now->unasked - seen->unasked));
	*seen = *now;
}

/* Says so when no server answers any more, and when one does again. */
static void tell(struct worker *w)
{
	bool dead = resolver_dead(w->resolver);
	struct log_line l;

	if (dead == w->dns_dead || (dead && w->now < w->dns_quiet))
		return;
	w->dns_dead = dead;
	counter_add(&w->counters, COUNT_dns_silent, dead ? 1 : -1);
	if (dead)
		w->dns_quiet = w->now + QUIET;
	log_begin(&l, LOG_DNS);
	log_str(&l, "reason", dead ? "silent" : "answering");
	log_int(&l, "worker", w->number);
	log_end(&l);
}

void evidence_tick(struct worker *w)
{
	resolver_tick(w->resolver, w->now);
	count(w);
	tell(w);
}
