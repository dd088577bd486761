// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe.h"

#include <poll.h>

#include "backend.h"
#include "callout.h"
#include "offers.h"

#define EVERY_MS 60000    /* between two rounds */
#define AGAIN_MS 5000     /* after one in which nobody answered */
#define PATIENCE_MS 30000 /* for one */

static struct {
	int backend;
	bool any; /* of this round has answered */
	const struct config *config;
	uint64_t began, due; /* ms */
	struct callout to;
} probe = {.to = {.fd = -1}};

static void finish(uint64_t pause)
{
	callout_close(&probe.to);
	probe.due = callout_now() + pause;
}

void probe_end(void)
{
	finish(0);
}

/* One is dealt with: the next one of the list at once, the first one again after a while. */
static void next_backend(const struct config *c)
{
	int count;

	config_targets(c, &count);
	if (++probe.backend < count) {
		finish(0);
		return;
	}
	finish(probe.any ? EVERY_MS : AGAIN_MS);
	probe.backend = 0;
	probe.any = false;
}

static void failed(struct daemon *d, const struct config *c, const char *why)
{
	const struct ailment_end end = {&probe.to.up, probe.to.distrusted, why};

	if (probe.backend < c->backend_count)
		probe.any |= backend_ungreeted(d, c, probe.backend, callout_now(), &end);
	else
		ailment_note(d, probe.backend, &end);
	next_backend(c);
}

static void begin(struct daemon *d, const struct config *c)
{
	int count;
	const struct endpoint *targets = config_targets(c, &count);

	if (probe.backend >= count)
		probe.backend = 0;
	probe.began = callout_now();
	if (callout_open(&probe.to, c, &targets[probe.backend]))
		failed(d, c, "connect");
}

static void answered(struct daemon *d, const struct config *c)
{
	int count;

	if (probe.backend < c->backend_count)
		backend_up(d, c, probe.backend, callout_now());
	else
		ailment_clear(d, probe.backend);
	probe.any = true;
	offers_learn(d, c, &config_targets(c, &count)[probe.backend], &probe.to.up);
	upstream_quit(&probe.to.up, &probe.to.out);
	callout_say(&probe.to); /* or not: it has said what was to be known */
	next_backend(c);
}

void probe_step(struct daemon *d, int budget)
{
	const struct config *c = atomic_load(&d->config);
	uint64_t end = callout_now() + (uint64_t)budget;

	/* New settings may name other servers. */
	if (c != probe.config) {
		probe.config = c;
		probe.backend = 0;
		offers_targets(d, c);
		/* A client has but one there, of which the probe alone tells. */
		if (c->mode == GG_MODE_GATEWAY)
			ailment_clear_all(d);
		finish(0);
	}
	for (;;) {
		uint64_t now = callout_now();
		enum callout_event e;
		struct pollfd p;

		if (!callout_is_open(&probe.to) && now >= probe.due)
			begin(d, c);
		if (!callout_is_open(&probe.to))
			return;
		p = (struct pollfd){.fd = probe.to.fd, .events = callout_events(&probe.to)};
		if (now - probe.began > PATIENCE_MS) {
			probe.began = now;
			if (callout_late(&probe.to, c))
				continue;
			failed(d, c, callout_why(&probe.to));
			return;
		}
		if (poll(&p, 1, now < end ? (int)(end - now) : 0) <= 0)
			return;
		e = callout_step(&probe.to, d, p.revents);
		if (e == CALLOUT_READY)
			answered(d, c);
		else if (e != CALLOUT_NOTHING)
			failed(d, c, callout_why(&probe.to));
	}
}
