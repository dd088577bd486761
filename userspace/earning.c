// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a delivery changes: its records mature, and its source, or with it the network, may have
 * earned a place among those who are allowed.
 */
#include "journal.h"

static void promote(struct worker *w, const struct session *s, const struct prefix *p,
		    const char *what, uint32_t count)
{
	char text[PREFIX_TEXT];
	struct log_line l;

	if (daemon_promote(w->daemon, p, w->policy.keep))
		return; /* what the operator or a trap has said stands */
	counter_add(&w->counters, COUNT_promoted, 1);
	journal_line(w, s, &l, LOG_PROMOTE);
	if (p->len < 128)
		log_str(&l, "net", prefix_text(p, text));
	log_int(&l, what, count);
	log_int(&l, "wait_s", w->policy.keep);
	log_end(&l);
}

/* One more triplet passed: the source, and with it its network, may have earned their place. */
static void earn(struct worker *w, const struct session *s, const struct policy_edit *from)
{
	static const char nothing[STORE_TEXT];
	struct prefix host = addr_host(&s->src), network = addr_network(&s->src);
	struct policy_conf conf = w->policy;
	struct policy_edit e = *from;

	/* What the recipient's level asks for, in records that are everyone's. */
	conf.mode = from->conf->mode;
	conf.promote_after = from->conf->promote_after;
	conf.promote_net_after = from->conf->promote_net_after;
	e.conf = &conf;
	e.rung = RUNG_ADDRESS;
	table_edit(w->daemon->records, policy_source_tag(&w->policy, &s->src), policy_edit_source,
		   &e, NULL);
	judge_store(w, s, &e, nothing, false, 0);
	if (e.promote)
		promote(w, s, &host, "triplets", e.after.passed);
	if (!e.reached)
		return;
	e.rung = RUNG_NETWORK;
	table_edit(w->daemon->records, policy_network_tag(&w->policy, &s->src), policy_edit_network,
		   &e, NULL);
	judge_store(w, s, &e, nothing, false, 0);
	if (e.promote)
		promote(w, s, &network, "hosts", e.after.passed);
}

bool judge_delivered(struct worker *w, uint32_t n, const struct delivery *d)
{
	struct session *s = worker_session(w, n);
	const struct smtp *smtp = session_smtp(w, s);
	struct policy_attempt attempt = {
		.src = s->src, .sender = smtp->reverse.text, .recipient = "", .ms = w->wall_ms};
	uint64_t token = (uint64_t)n << 16 | s->generation;
	bool wait = false;

	for (uint32_t i = 0; i < d->accepted_count; i++) {
		const struct accepted *a = &d->accepted[i];
		struct policy_conf conf = a->level ? daemon_level(w->daemon, a->level) : w->policy;
		struct policy_edit edit = {.conf = &conf,
					   .attempt = &attempt,
					   .delay_class = (enum policy_class)a->delay_class,
					   .shadow = true,
					   .now = w->wall};
		bool fresh = false;

		for (int k = 0; k < a->count; k++) {
			bool last = k + 1 == a->count;

			edit.rung = a->ids[k].rung;
			table_edit(w->daemon->records, a->ids[k].tag, policy_edit_delivered, &edit,
				   NULL);
			/* A new pass is on disk before the client hears 250; a later one only
			 * slides. */
			fresh |= edit.before.state != RECORD_PASSED;
			if (judge_store(w, s, &edit, a->text, last && fresh, token))
				wait |= last && fresh;
		}
		if (a->count && edit.first_pass)
			earn(w, s, &edit);
	}
	return wait;
}
