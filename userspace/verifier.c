// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One question after the other on each connection, with RSET between them; a connection that has
 * nothing to ask is kept for a moment and then left. What a mail server counts against a client
 * (errors, commands without mail) ends a connection before it does.
 */
#include "verifier.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "askers.h"
#include "backend.h"
#include "callout.h"
#include "core/log.h"
#include "notices.h"
#include "relay/rcpt.h"
#include "trapping.h"

#define IDLE_MS 5000    /* a connection that has nothing to ask */
#define QUESTIONS 40    /* on one connection: Postfix counts RSETs, and slows down at 100 */
#define REFUSALS 8      /* the same of errors: it slows down at 10, ends at 20 */
#define PAUSE_MS 5000   /* no mail server could be reached */
#define UNCLEAR_LIFE 60 /* s */
#define STALE 30        /* s: whoever asked is long gone */
#define NOBODY 16       /* letters of a local part that nobody has */
#define LOG_SINK 65536
#define TICK_MS 1000

enum stage { STAGE_GREETING, STAGE_IDLE, STAGE_MAIL, STAGE_NOBODY, STAGE_RCPT, STAGE_RSET };

struct prober {
	struct callout to;
	uint8_t stage;
	bool asking; /* request holds */
	bool fresh;  /* the connection has not answered a question yet */
	bool stands; /* for backend_stands */
	int backend; /* index into backend or protect */
	int questions, refusals;
	bool passed_over, last_resort; /* backends that are down: left out so far, tried now */
	const struct config *config;   /* that it was opened under */
	uint64_t began;                /* ms, of the question */
	struct verify_request request;
};

static struct {
	struct daemon *daemon;
	pthread_t thread;
	bool runs;
	int stop_fd;
	uint64_t pause_until;        /* ms */
	const struct config *config; /* of this turn */
	struct prober probers[VERIFIER_PROBES];
} verifier;

/* ---- what came of it ---- */

static void say(const struct prober *p, const char *verdict, const char *reason, const char *reply)
{
	char text[ENDPOINT_TEXT];
	struct log_line l;

	log_begin(&l, LOG_VERIFY);
	log_str(&l, "to", p->request.mailbox);
	log_str(&l, "verdict", verdict);
	log_str(&l, "reason", reason);
	log_str(&l, "backend", endpoint_text(&p->to.peer, text));
	if (reply)
		log_strn(&l, "reply", reply, strcspn(reply, "\r\n"));
	log_int(&l, "dur_ms", (int64_t)(callout_now() - p->began));
	log_end(&l);
}

/* Whoever was told to come again meanwhile. */
static void tell(const struct prober *p)
{
	const struct verify_request *r = &p->request;
	struct daemon *d = verifier.daemon;
	uint64_t question = verify_tag(d->verify, r->target, r->mailbox);
	struct asker who;

	while (askers_take(d->askers, question, daemon_now(), &who))
		trapping_late(d, &who, p->to.up.code, p->to.up.reply);
}

/* What there is to know of it is known: nobody waits for more. */
static void close_question(struct prober *p)
{
	const struct verify_request *r = &p->request;
	struct daemon *d = verifier.daemon;

	p->asking = false;
	notices_put(d->notices, verify_tag(d->verify, r->target, r->mailbox));
}

static void settle(struct prober *p, enum verify_state state, const char *reason)
{
	const struct config *c = verifier.config;
	const uint32_t lives[VERIFY_STATES] = {
		[VERIFY_VALID] = (uint32_t)(c->upstream.verify_keep / 1000),
		[VERIFY_UNKNOWN] = (uint32_t)(c->upstream.verify_keep_unknown / 1000),
		[VERIFY_UNCLEAR] = UNCLEAR_LIFE,
	};
	const struct upstream *u = &p->to.up;

	/* Before anybody can hear it: so it is counted once. */
	if (state == VERIFY_VALID || state == VERIFY_UNKNOWN)
		tell(p);
	verify_answered(verifier.daemon->verify, &p->request, state, daemon_now(), lives[state],
			u->reply, u->reply_len);
	close_question(p);
	if (state == VERIFY_UNCLEAR)
		daemon_counted(verifier.daemon, COUNT_verify_unclear);
	say(p, verify_text(state), reason, reason ? NULL : u->reply);
}

/* Whether anything in the domain is taken is known now. */
static void settle_domain(struct prober *p, bool any)
{
	uint32_t life = (uint32_t)(verifier.config->upstream.verify_keep_domain / 1000);
	bool news = verify_domain_is(verifier.daemon->verify, &p->request,
				     any ? VERIFY_ANY : VERIFY_SELECT, daemon_now(), life);

	if (news)
		say(p, any ? "any" : "select", "domain", p->to.up.reply);
}

/* ---- connections ---- */

/* The connection goes to the next backend that may answer; false: there is none. */
static bool connect_next(struct prober *p)
{
	const struct config *c = verifier.config;
	struct daemon *d = verifier.daemon;
	int count;
	const struct endpoint *targets = config_targets(c, &count);
	bool listed = p->request.target == VERIFY_BACKENDS;
	int end = listed || p->request.target >= count ? count : p->request.target + 1;

	p->stage = STAGE_GREETING;
	p->questions = p->refusals = 0;
	p->config = c;
	p->fresh = true;
	for (; p->backend < end; p->backend++) {
		if (listed && backend_is_down(d, p->backend, callout_now()) != p->last_resort) {
			p->passed_over |= !p->last_resort;
			continue;
		}
		if (!callout_open(&p->to, c, &targets[p->backend]))
			return true;
	}
	if (!p->passed_over || p->last_resort)
		return false;
	p->last_resort = true;
	p->backend = 0;
	return connect_next(p);
}

static void begin(struct prober *p)
{
	bool listed = p->request.target == VERIFY_BACKENDS;

	p->backend = listed ? 0 : p->request.target;
	p->passed_over = p->last_resort = false;
	if (connect_next(p))
		return;
	verifier.pause_until = callout_now() + PAUSE_MS;
	settle(p, VERIFY_UNCLEAR, "connect");
}

/* The connection is gone. A question on one that was kept is asked again on a fresh one; before the
 * greeting is over another backend may do better. */
static void gone(struct prober *p, const char *why)
{
	const struct config *c = verifier.config;
	const struct ailment_end end = {&p->to.up, p->to.distrusted, why};
	bool listed = p->request.target == VERIFY_BACKENDS;

	backend_stands(verifier.daemon, p->backend, &p->stands, false);
	callout_close(&p->to);
	if (!p->asking)
		return;
	if (p->stage != STAGE_GREETING && !p->fresh) {
		begin(p);
		return;
	}
	if (p->stage == STAGE_GREETING && listed && p->backend < c->backend_count) {
		backend_ungreeted(verifier.daemon, c, p->backend, callout_now(), &end);
		p->backend++;
		if (connect_next(p))
			return;
	}
	if (p->stage == STAGE_GREETING)
		verifier.pause_until = callout_now() + PAUSE_MS;
	settle(p, VERIFY_UNCLEAR, why);
}

static void leave(struct prober *p)
{
	backend_stands(verifier.daemon, p->backend, &p->stands, false);
	if (p->to.up.state == UP_IDLE) {
		upstream_quit(&p->to.up, &p->to.out);
		callout_say(&p->to);
	}
	callout_close(&p->to);
}

static void say_out(struct prober *p, enum stage stage)
{
	p->stage = (uint8_t)stage;
	if (!callout_say(&p->to))
		gone(p, callout_why(&p->to));
}

/* ---- the dialogue ---- */

static void ask_mail(struct prober *p)
{
	upstream_mail(&p->to.up, &p->to.out, "", "");
	say_out(p, STAGE_MAIL);
}

static void ask_rcpt(struct prober *p)
{
	upstream_rcpt(&p->to.up, &p->to.out, p->request.mailbox, "");
	say_out(p, STAGE_RCPT);
}

/* A local part at random in front of the same domain. */
static void ask_nobody(struct prober *p)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	const char *at = strrchr(p->request.mailbox, '@');
	char mailbox[NOBODY + VERIFY_MAILBOX + 2];
	uint8_t random[NOBODY];

	if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
		ask_rcpt(p);
		return;
	}
	for (size_t i = 0; i < NOBODY; i++)
		mailbox[i] = letters[random[i] % (sizeof(letters) - 1)];
	snprintf(mailbox + NOBODY, sizeof(mailbox) - NOBODY, "%s", at);
	upstream_rcpt(&p->to.up, &p->to.out, mailbox, "");
	say_out(p, STAGE_NOBODY);
}

/* The question is settled. */
static void over(struct prober *p)
{
	p->fresh = false;
	p->questions++;
	p->refusals += p->to.up.code >= 500;
	if (p->to.up.state != UP_IDLE || p->questions >= QUESTIONS || p->refusals >= REFUSALS) {
		leave(p);
		return;
	}
	upstream_rset(&p->to.up, &p->to.out);
	say_out(p, STAGE_RSET);
}

static void on_mail(struct prober *p)
{
	bool known = verify_domain_of(verifier.daemon->verify, &p->request, daemon_now()) !=
		     VERIFY_NOTHING;

	if (p->to.up.code / 100 != 2) {
		settle(p, VERIFY_UNCLEAR, "sender");
		over(p);
	} else if (known || !strchr(p->request.mailbox, '@')) {
		ask_rcpt(p);
	} else {
		ask_nobody(p);
	}
}

static void on_nobody(struct prober *p)
{
	enum rcpt_says says = rcpt_says(p->to.up.code, p->to.up.reply);

	p->refusals += p->to.up.code >= 500;
	if (says != RCPT_UNCLEAR)
		settle_domain(p, says == RCPT_VALID);
	if (says != RCPT_VALID) {
		ask_rcpt(p);
		return;
	}
	close_question(p); /* what it says of the recipient would mean nothing */
	over(p);
}

static void on_rcpt(struct prober *p)
{
	static const enum verify_state states[] = {
		[RCPT_VALID] = VERIFY_VALID,
		[RCPT_UNKNOWN] = VERIFY_UNKNOWN,
		[RCPT_UNCLEAR] = VERIFY_UNCLEAR,
	};

	settle(p, states[rcpt_says(p->to.up.code, p->to.up.reply)], NULL);
	over(p);
}

static void on_rset(struct prober *p)
{
	p->stage = STAGE_IDLE;
	if (p->to.up.code / 100 != 2)
		leave(p);
}

static void on_reply(struct prober *p)
{
	static void (*const handlers[])(struct prober *) = {
		[STAGE_MAIL] = on_mail,
		[STAGE_NOBODY] = on_nobody,
		[STAGE_RCPT] = on_rcpt,
		[STAGE_RSET] = on_rset,
	};

	/* 421 instead of an answer. */
	if (p->to.up.state == UP_BROKEN) {
		gone(p, upstream_why(&p->to.up));
		return;
	}
	handlers[p->stage](p);
}

static void on_ready(struct prober *p)
{
	const struct config *c = verifier.config;

	if (p->request.target == VERIFY_BACKENDS && p->backend < c->backend_count) {
		backend_up(verifier.daemon, c, p->backend, callout_now());
		backend_stands(verifier.daemon, p->backend, &p->stands, true);
	}
	ask_mail(p);
}

/* ---- questions ---- */

/* The next one worth asking, into p. */
static bool take(struct prober *p)
{
	struct verify *v = verifier.daemon->verify;
	struct verify_answer answer;

	while (verify_next(v, &p->request)) {
		uint32_t now = daemon_now();
		enum verify_state state =
			verify_find(v, p->request.target, p->request.mailbox, now, &answer);

		p->asking = true;
		p->began = callout_now();
		if (now - p->request.asked > STALE || verifier.pause_until > callout_now())
			settle(p, VERIFY_UNCLEAR, "busy");
		else if (state == VERIFY_ASKED)
			break;
		else
			close_question(p);
	}
	if (p->asking)
		daemon_counted(verifier.daemon, COUNT_verify_asked);
	return p->asking;
}

static void ask_next(struct prober *p)
{
	int backend = p->backend;

	if (!take(p))
		return;
	if (!callout_is_open(&p->to)) {
		begin(p);
	} else if (p->request.target == VERIFY_BACKENDS || p->request.target == backend) {
		ask_mail(p);
	} else {
		leave(p);
		begin(p);
	}
}

/* ---- who waits for answers ---- */

/* The answer may have come before him. */
static void welcome(const struct asker *who)
{
	struct daemon *d = verifier.daemon;
	uint32_t now = daemon_now();
	struct verify_answer a;

	switch (verify_find(d->verify, who->target, who->mailbox, now, &a)) {
	case VERIFY_ASKED:
		if (!askers_keep(d->askers, who, now))
			daemon_counted(d, COUNT_harvest_lost);
		break;
	case VERIFY_UNKNOWN:
		trapping_late(d, who, a.reply.code, a.reply.text);
		break;
	case VERIFY_VALID:
		trapping_late(d, who, 250, "250");
		break;
	default:
		break;
	}
}

static void welcome_all(void)
{
	struct asker who;

	while (askers_next(verifier.daemon->askers, &who))
		welcome(&who);
}

/* ---- the loop ---- */

static bool is_free(const struct prober *p)
{
	return !p->asking && (!callout_is_open(&p->to) || p->stage == STAGE_IDLE);
}

static void look_at_clock(struct prober *p)
{
	uint64_t quiet = callout_now() - p->to.touched;

	if (!callout_is_open(&p->to))
		return;
	/* After a reload even the mail server may be another one. */
	if (p->stage == STAGE_IDLE && (quiet >= IDLE_MS || p->config != verifier.config))
		leave(p);
	else if (p->stage != STAGE_IDLE && quiet >= verifier.config->upstream.timeout &&
		 !callout_late(&p->to, verifier.config))
		gone(p, callout_why(&p->to));
}

static void listen_to(struct prober *p, short revents)
{
	switch (callout_step(&p->to, verifier.daemon, revents)) {
	case CALLOUT_READY:
		on_ready(p);
		break;
	case CALLOUT_REPLY:
		on_reply(p);
		break;
	case CALLOUT_LOST:
		gone(p, callout_why(&p->to));
		break;
	case CALLOUT_NOTHING:
		break;
	}
}

static void turn(struct pollfd *fds)
{
	uint32_t probes;
	uint64_t woken;
	int n = 2;

	for (int i = 0; i < VERIFIER_PROBES; i++) {
		const struct prober *p = &verifier.probers[i];

		fds[n++] = (struct pollfd){p->to.fd, callout_events(&p->to), 0};
	}
	poll(fds, (nfds_t)n, TICK_MS);
	verifier.config = atomic_load(&verifier.daemon->config);
	if (fds[1].revents && read(fds[1].fd, &woken, sizeof(woken)) < 0)
		fds[1].revents = 0;
	welcome_all();
	for (int i = 0; i < VERIFIER_PROBES; i++) {
		struct prober *p = &verifier.probers[i];

		if (p->to.fd >= 0 && fds[2 + i].fd == p->to.fd && fds[2 + i].revents)
			listen_to(p, fds[2 + i].revents);
		look_at_clock(p);
	}
	probes = verifier.config->upstream.verify_probes;
	for (uint32_t i = 0; i < probes && i < VERIFIER_PROBES; i++)
		if (is_free(&verifier.probers[i]))
			ask_next(&verifier.probers[i]);
}

static void *run(void *arg)
{
	struct pollfd fds[2 + VERIFIER_PROBES] = {
		{.fd = verifier.stop_fd, .events = POLLIN},
		{.fd = verify_fd(verifier.daemon->verify), .events = POLLIN},
	};

	log_sink(LOG_SINK);
	while (!fds[0].revents)
		turn(fds);
	for (int i = 0; i < VERIFIER_PROBES; i++)
		leave(&verifier.probers[i]);
	return arg;
}

int verifier_start(struct daemon *d)
{
	int rc;

	verifier.daemon = d;
	verifier.config = atomic_load(&d->config);
	for (int i = 0; i < VERIFIER_PROBES; i++)
		verifier.probers[i].to.fd = -1;
	verifier.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = verifier.stop_fd < 0 ? -errno : -pthread_create(&verifier.thread, NULL, run, NULL);
	verifier.runs = !rc;
	return rc;
}

void verifier_stop(void)
{
	const uint64_t one = 1;

	if (!verifier.runs)
		return;
	if (write(verifier.stop_fd, &one, sizeof(one)) == sizeof(one))
		pthread_join(verifier.thread, NULL);
	close(verifier.stop_fd);
	verifier.runs = false;
}
