// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/upstream.h"

/*
 * A scripted backend: what it says to each thing it hears, the banner first. The client walks
 * through a whole delivery and writes down what it sent (C:), what it was handed (S:), and how it
 * ended. The message itself is sent as "TEXT".
 */
#define STEPS 16

struct script {
	const char *says[STEPS];
	const char *record;
};

struct run {
	struct upstream u;
	struct upstream_client c;
	const struct script *script;
	size_t next; /* step of the script */
	char record[8192];
	size_t len;
	int todo; /* next command of the delivery */
	bool over;
};

static void note(struct run *r, const char *tag, const char *text, size_t len)
{
	r->len += (size_t)snprintf(r->record + r->len, sizeof(r->record) - r->len, "%s:%.*s", tag,
				   (int)len, text);
	if (r->record[r->len - 1] != '\n')
		r->len += (size_t)snprintf(r->record + r->len, sizeof(r->record) - r->len, "\n");
	assert_true(r->len < sizeof(r->record));
}

static void hear(struct run *r, const struct upstream_out *out)
{
	note(r, "C", out->buf, out->len);
	r->next++;
}

static void command(struct run *r)
{
	struct upstream_out out;

	switch (r->todo++) {
	case 0:
		upstream_mail(&r->u, &out, "a@b.example", "");
		break;
	case 1:
		upstream_rcpt(&r->u, &out, "\"x y\"@z.example", "NOTIFY=NEVER");
		break;
	case 2:
		upstream_data(&r->u, &out);
		break;
	case 3:
		upstream_rset(&r->u, &out);
		break;
	case 4:
		upstream_quit(&r->u, &out);
		break;
	}
	hear(r, &out);
}

/* Hands over bytes of the backend, as they would come in one read. */
static void input(struct run *r, const char *text, size_t len)
{
	size_t used = 0;

	while (used < len && !r->over) {
		char *exact = malloc(len - used);
		struct upstream_out out;
		enum upstream_act act;

		memcpy(exact, text + used, len - used);
		used += upstream_input(&r->u, &r->c, exact, len - used, &out, &act);
		free(exact);
		switch (act) {
		case UPSTREAM_MORE:
			assert_int_equal(used, len);
			break;
		case UPSTREAM_SEND:
			hear(r, &out);
			break;
		case UPSTREAM_TLS:
			assert_int_equal(r->u.state, UP_SHAKING);
			note(r, "C", "HANDSHAKE", 9);
			upstream_secured(&r->u, &r->c, &out);
			hear(r, &out);
			break;
		case UPSTREAM_READY:
			assert_int_equal(r->u.state, UP_IDLE);
			command(r);
			break;
		case UPSTREAM_REFUSED:
			note(r, "R", r->u.reply, r->u.reply_len);
			assert_int_equal(r->u.code, strtol(r->u.reply, NULL, 10));
			assert_int_equal(r->u.state, UP_IDLE);
			r->over = true;
			break;
		case UPSTREAM_REPLY_READY:
			note(r, "S", r->u.reply, r->u.reply_len);
			assert_int_equal(r->u.code, strtol(r->u.reply, NULL, 10));
			if (r->u.state == UP_IDLE) {
				command(r);
			} else if (r->u.state == UP_TEXT) {
				note(r, "C", "TEXT", 4);
				upstream_text_sent(&r->u);
				r->next++;
			}
			break;
		case UPSTREAM_FAIL:
			note(r, "!", upstream_why(&r->u), strlen(upstream_why(&r->u)));
			assert_int_equal(r->u.state, UP_BROKEN);
			r->over = true;
			break;
		}
	}
}

/* Of the runs to come. */
static uint8_t wanted; /* enum upstream_tls */
static bool named;     /* by the connection itself */

static struct run *run_new(const struct script *s, bool xclient)
{
	struct run *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	upstream_init(&r->u);
	upstream_connected(&r->u);
	r->c = (struct upstream_client){.our_name = "gate.example",
					.helo = "client.example",
					.use_xclient = xclient,
					.named = named,
					.tls = wanted};
	assert_int_equal(endpoint_parse("192.0.2.7:4000", &r->c.addr), 0);
	r->script = s;
	return r;
}

/* Every step of the script in pieces: the first `cut` bytes of it (0: none), then one by one or
 * whole. */
static void play(const struct script *s, bool xclient, size_t cut, bool bytewise)
{
	struct run *r = run_new(s, xclient);

	for (size_t step = 0; step < STEPS && s->says[step] && !r->over; step++) {
		const char *text = s->says[step];
		size_t len = strlen(text), first = cut < len ? cut : len;

		if (r->next != step)
			break;
		if (first)
			input(r, text, first);
		for (size_t i = first; bytewise && i < len; i++)
			input(r, text + i, 1);
		if (!bytewise && first < len)
			input(r, text + first, len - first);
	}
	if (!r->over && r->u.state == UP_BROKEN) {
		/* Broken after the last reply: it stays so. */
		input(r, "250 late\r\n", 10);
		assert_true(r->over);
	}
	r->record[r->len] = '\0';
	if (strcmp(r->record, s->record) != 0)
		fail_msg("cut %zu %d\n--- expected\n%s--- got\n%s", cut, bytewise, s->record,
			 r->record);
	free(r);
}

static void play_every_way(const struct script *scripts, size_t count, bool xclient)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t cut = 0; cut < 160; cut++)
			play(&scripts[i], xclient, cut, false);
		play(&scripts[i], xclient, 0, true);
	}
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define GREETED "C:EHLO gate.example\r\n"
#define ENVELOPE                                                                                   \
	"C:MAIL FROM:<a@b.example>\r\nS:250 a\r\nC:RCPT TO:<\"x y\"@z.example> NOTIFY=NEVER\r\n"
#define UNASKED "!:mail server spoke without being asked\n"
#define GARBAGE "!:mail server sent something that is no SMTP reply\n"
#define CLOSING "!:mail server is closing the connection (421)\n"
#define WRONG "!:mail server sent a reply code that does not belong to the command\n"
#define BYE "!:mail server said good-bye\n"

/* How STARTTLS changes the greeting, by what is asked for. */
static void tls_where_it_is_wanted_and_offered(void **state)
{
	static const struct {
		enum upstream_tls tls;
		struct script script;
	} rows[] = {
		{UPSTREAM_TLS_NONE,
		 {{"220 hi\r\n", "250-mx\r\n250 STARTTLS\r\n", "421 a\r\n"},
		  GREETED "C:MAIL FROM:<a@b.example>\r\nS:421 a\r\n" CLOSING}},
		{UPSTREAM_TLS_OPPORTUNISTIC,
		 {{"220 hi\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n",
		   "250-mx\r\n250 STARTTLS\r\n", "421 a\r\n"},
		  GREETED "C:STARTTLS\r\nC:HANDSHAKE\n" GREETED
			  "C:MAIL FROM:<a@b.example>\r\nS:421 a\r\n" CLOSING}},
		{UPSTREAM_TLS_OPPORTUNISTIC,
		 {{"220 hi\r\n", "250 mx\r\n", "421 a\r\n"},
		  GREETED "C:MAIL FROM:<a@b.example>\r\nS:421 a\r\n" CLOSING}},
		{UPSTREAM_TLS_OPPORTUNISTIC,
		 {{"220 hi\r\n", "250-mx\r\n250 STARTTLS\r\n", "454 no\r\n", "421 a\r\n"},
		  GREETED "C:STARTTLS\r\nC:MAIL FROM:<a@b.example>\r\nS:421 a\r\n" CLOSING}},
		{UPSTREAM_TLS_OPPORTUNISTIC,
		 {{"220 hi\r\n", "250-mx\r\n250 STARTTLS\r\n", "421 no\r\n"},
		  GREETED "C:STARTTLS\r\n" CLOSING}},
		{UPSTREAM_TLS_REQUIRED,
		 {{"220 hi\r\n", "250 mx\r\n"},
		  GREETED "!:mail server does not offer STARTTLS, which tls backend requires\n"}},
		{UPSTREAM_TLS_REQUIRED,
		 {{"220 hi\r\n", "500 what\r\n"},
		  GREETED "!:mail server answered EHLO with neither yes nor no\n"}},
		{UPSTREAM_TLS_REQUIRED,
		 {{"220 hi\r\n", "250-mx\r\n250 STARTTLS\r\n", "454 no\r\n"},
		  GREETED "C:STARTTLS\r\n"
			  "!:mail server refused STARTTLS, which tls backend requires\n"}},
		{UPSTREAM_TLS_REQUIRED,
		 {{"220 hi\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n", "502 what\r\n",
		   "250 mx\r\n", "421 a\r\n"},
		  GREETED "C:STARTTLS\r\nC:HANDSHAKE\n" GREETED "C:HELO gate.example\r\n"
			  "C:MAIL FROM:<a@b.example>\r\nS:421 a\r\n" CLOSING}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		wanted = rows[i].tls;
		play_every_way(&rows[i].script, 1, false);
	}
	wanted = UPSTREAM_TLS_NONE;
}

/* What the server offered before the handshake counts no more. */
static void offers_in_the_clear_are_forgotten(void **state)
{
	static const struct upstream_client c = {.our_name = "gate.example",
						 .tls = UPSTREAM_TLS_REQUIRED};
	static const char *const says[] = {
		"220 hi\r\n", "250-mx\r\n250-SIZE 5\r\n250-CHUNKING\r\n250 STARTTLS\r\n",
		"220 go\r\n", "250 mx\r\n"};
	struct upstream_out out;
	struct upstream u;
	enum upstream_act act;

	(void)state;
	upstream_init(&u);
	upstream_connected(&u);
	for (size_t i = 0; i < COUNT(says); i++) {
		upstream_input(&u, &c, says[i], strlen(says[i]), &out, &act);
		if (act == UPSTREAM_TLS)
			upstream_secured(&u, &c, &out);
	}
	assert_int_equal(act, UPSTREAM_READY);
	assert_int_equal(u.caps, UPSTREAM_ESMTP);
	assert_int_equal(u.size_limit, 0);
}

/* From STARTTLS to the answer to EHLO inside TLS, and nowhere else. */
static void tls_is_reached_with_the_answer_inside_it(void **state)
{
	static const struct upstream_client c = {.our_name = "gate.example",
						 .tls = UPSTREAM_TLS_OPPORTUNISTIC};
	static const struct {
		const char *says;
		bool securing; /* after it */
	} rows[] = {
		{"220 hi\r\n", false},
		{"250-mx\r\n250 STARTTLS\r\n", true},
		{"220 go\r\n", true},
		{"250 mx\r\n", false},
	};
	struct upstream_out out;
	struct upstream u;
	enum upstream_act act;

	(void)state;
	upstream_init(&u);
	assert_false(upstream_securing(&u));
	upstream_connected(&u);
	assert_false(upstream_securing(&u));
	for (size_t i = 0; i < COUNT(rows); i++) {
		upstream_input(&u, &c, rows[i].says, strlen(rows[i].says), &out, &act);
		assert_int_equal(upstream_securing(&u), rows[i].securing);
		if (act == UPSTREAM_TLS) {
			upstream_secured(&u, &c, &out);
			assert_true(upstream_securing(&u));
		}
	}
	upstream_rset(&u, &out);
	assert_false(upstream_securing(&u));
}

/* Anybody on the way may have put there what comes in the clear behind the answer to STARTTLS. */
static void what_comes_behind_starttls_breaks_it(void **state)
{
	static const struct upstream_client c = {.our_name = "gate.example",
						 .tls = UPSTREAM_TLS_OPPORTUNISTIC};
	static const char *const says[] = {"220 hi\r\n", "250-mx\r\n250 STARTTLS\r\n"};
	static const char both[] = "220 go\r\n250 mx\r\n";
	struct upstream_out out;
	struct upstream u;
	enum upstream_act act;
	size_t used;

	(void)state;
	upstream_init(&u);
	upstream_connected(&u);
	for (size_t i = 0; i < COUNT(says); i++)
		upstream_input(&u, &c, says[i], strlen(says[i]), &out, &act);
	used = upstream_input(&u, &c, both, strlen(both), &out, &act);
	assert_int_equal(act, UPSTREAM_TLS);
	assert_int_equal(used, strlen("220 go\r\n"));
	upstream_input(&u, &c, both + used, strlen(both) - used, &out, &act);
	assert_int_equal(act, UPSTREAM_FAIL);
	assert_false(upstream_securing(&u));
}

static void deliveries_that_go_well_or_are_refused(void **state)
{
	static const struct script scripts[] = {
		{{"220 hi\r\n", "250-mx\r\n250 SIZE 5\r\n", "250 a\r\n", "250 b\r\n", "354 c\r\n",
		  "250 d\r\n", "250 e\r\n", "221 f\r\n"},
		 GREETED ENVELOPE "S:250 b\r\nC:DATA\r\nS:354 c\r\nC:TEXT\nS:250 d\r\nC:RSET\r\n"
				  "S:250 e\r\nC:QUIT\r\nS:221 f\r\n" BYE},
		/* A multi-line banner, and replies of many lines handed on whole. */
		{{"220-hi\r\n220-there\r\n220\r\n", "250 mx\r\n", "250 a\r\n",
		  "550-no\r\n550 never\r\n", "554 nobody\r\n", "250 e\r\n", "221 f\r\n"},
		 GREETED ENVELOPE "S:550-no\r\n550 never\r\nC:DATA\r\nS:554 nobody\r\nC:RSET\r\n"
				  "S:250 e\r\nC:QUIT\r\nS:221 f\r\n" BYE},
		/* No ESMTP. */
		{{"220 hi\r\n", "502 what?\r\n", "250 mx\r\n", "250 a\r\n", "250 b\r\n",
		  "354 c\r\n", "451 d\r\n", "250 e\r\n", "221 f\r\n"},
		 GREETED "C:HELO gate.example\r\n" ENVELOPE
			 "S:250 b\r\nC:DATA\r\nS:354 c\r\nC:TEXT\nS:451 d\r\nC:RSET\r\nS:250 e\r\n"
			 "C:QUIT\r\nS:221 f\r\n" BYE},
	};

	(void)state;
	play_every_way(scripts, COUNT(scripts), false);
	/* Nothing changes for a backend that doesn't offer XCLIENT. */
	play_every_way(scripts, COUNT(scripts), true);
}

static void xclient_greets_again(void **state)
{
#define OFFER "250-mx\r\n250 XCLIENT NAME ADDR PROTO HELO\r\n"
#define XCLIENT "C:XCLIENT ADDR=192.0.2.7 PROTO=SMTP HELO=client.example NAME=[UNAVAILABLE]\r\n"
	static const struct script scripts[] = {
		{{"220 hi\r\n", OFFER, "220 again\r\n", OFFER, "421 a\r\n"},
		 GREETED XCLIENT "C:EHLO client.example\r\nC:MAIL FROM:<a@b.example>\r\nS:421 "
				 "a\r\n" CLOSING},
		/* Offered but not for us: the mail goes on without it. */
		{{"220 hi\r\n", OFFER, "550 5.7.0 not you\r\n", "421 a\r\n"},
		 GREETED XCLIENT "C:MAIL FROM:<a@b.example>\r\nS:421 a\r\n" CLOSING},
		{{"220 hi\r\n", OFFER, "421 4.3.0 busy\r\n"}, GREETED XCLIENT CLOSING},
		/* What some answer instead of a banner. */
		{{"220 hi\r\n", OFFER, "250 ok\r\n", OFFER, "421 a\r\n"},
		 GREETED XCLIENT "C:EHLO client.example\r\nC:MAIL FROM:<a@b.example>\r\nS:421 "
				 "a\r\n" CLOSING},
		{{"220 hi\r\n", OFFER, "501 5.5.4 bad attribute\r\n", "421 a\r\n"},
		 GREETED XCLIENT "C:MAIL FROM:<a@b.example>\r\nS:421 a\r\n" CLOSING},
		{{"220 hi\r\n", OFFER, "354 what\r\n"},
		 GREETED XCLIENT "!:mail server answered XCLIENT with neither yes nor no\n"},
		/* The client that it names is refused. */
		{{"220 hi\r\n", OFFER, "450 later\r\n"}, GREETED XCLIENT "R:450 later\r\n"},
		{{"220 hi\r\n", OFFER, "554-5.7.1 never\r\n554 5.7.1 ever\r\n"},
		 GREETED XCLIENT "R:554-5.7.1 never\r\n554 5.7.1 ever\r\n"},
		{{"220 hi\r\n", OFFER, "421-4.7.0 too\r\n421 4.7.0 often\r\n"},
		 GREETED XCLIENT "R:421-4.7.0 too\r\n421 4.7.0 often\r\n"},
		{{"220 hi\r\n", OFFER, "220 again\r\n", "450 4.7.1 helo\r\n"},
		 GREETED XCLIENT "C:EHLO client.example\r\nR:450 4.7.1 helo\r\n"},
		{{"220 hi\r\n", OFFER, "220 again\r\n", "550 helo\r\n", "554 5.7.1 a\r\n"},
		 GREETED XCLIENT
		 "C:EHLO client.example\r\nC:EHLO gate.example\r\nR:554 5.7.1 a\r\n"},
		{{"220 hi\r\n", OFFER, "220 again\r\n", "421 4.3.2 busy\r\n"},
		 GREETED XCLIENT "C:EHLO client.example\r\n" CLOSING},
		/* The client's name is refused: our own is good enough. */
		{{"220 hi\r\n", OFFER, "220 again\r\n", "504 bad name\r\n", OFFER, "421 a\r\n"},
		 GREETED XCLIENT "C:EHLO client.example\r\nC:EHLO gate.example\r\n"
				 "C:MAIL FROM:<a@b.example>\r\nS:421 a\r\n" CLOSING},
		{{"220 hi\r\n", OFFER, "220 again\r\n", "504 bad name\r\n", "504 no\r\n"},
		 GREETED XCLIENT "C:EHLO client.example\r\nC:EHLO gate.example\r\n"
				 "!:mail server refused the client's EHLO name after XCLIENT\n"},
		{{"220 hi\r\n", OFFER, "junk\r\n"}, GREETED XCLIENT GARBAGE},
	};
	static const struct script without[] = {
		{{"220 hi\r\n", OFFER, "421 a\r\n"},
		 GREETED "C:MAIL FROM:<a@b.example>\r\nS:421 a\r\n" CLOSING},
	};
#undef OFFER
#undef XCLIENT

	(void)state;
	play_every_way(scripts, COUNT(scripts), true);
	play_every_way(without, COUNT(without), false);
}

static void xclient_refused_or_not_offered_again(void **state)
{
	static const struct script s = {{NULL}, NULL};
	struct run *r = run_new(&s, true);

	(void)state;
	input(r, "220 a\r\n", 7);
	input(r, "250-a\r\n250 XCLIENT ADDR\r\n", 25);
	assert_int_equal(r->u.state, UP_XCLIENT);
	assert_int_equal(r->u.xclient, XCLIENT_ADDR);
	input(r, "503 no\r\n", 8);
	assert_int_equal(r->u.xclient, 0);
	assert_true(r->u.caps & UPSTREAM_ESMTP);
	upstream_init(&r->u);
	assert_false(r->u.told);
	upstream_connected(&r->u);
	input(r, "220 a\r\n", 7);
	input(r, "250-a\r\n250 XCLIENT ADDR\r\n", 25);
	input(r, "220 a\r\n", 7);
	input(r, "250 a\r\n", 7);
	assert_int_equal(r->u.xclient, 0);
	assert_true(r->u.told);
	free(r);
}

static void backends_that_refuse_the_greeting(void **state)
{
	static const struct script scripts[] = {
		{{"554 go away\r\n"}, "!:mail server refused the connection in its banner\n"},
		{{"450-not\r\n450 now\r\n"},
		 "!:mail server refused the connection in its banner\n"},
		{{"250 hi\r\n"}, "!:mail server refused the connection in its banner\n"},
		{{"421 full\r\n"}, CLOSING},
		{{"220 hi\r\n", "450 later\r\n"},
		 GREETED "!:mail server answered EHLO with neither yes nor no\n"},
		{{"220 hi\r\n", "354 what\r\n"},
		 GREETED "!:mail server answered EHLO with neither yes nor no\n"},
		{{"220 hi\r\n", "421 full\r\n"}, GREETED CLOSING},
		{{"220 hi\r\n", "500 what?\r\n", "550 no\r\n"},
		 GREETED "C:HELO gate.example\r\n!:mail server refused EHLO and HELO\n"},
		{{"220 hi\r\n", "500 what?\r\n", "421 no\r\n"},
		 GREETED "C:HELO gate.example\r\n" CLOSING},
	};

	(void)state;
	play_every_way(scripts, COUNT(scripts), false);
}

static void backends_that_refuse_a_client_they_see(void **state)
{
	static const struct script scripts[] = {
		{{"450-not\r\n450 now\r\n"}, "R:450-not\r\n450 now\r\n"},
		{{"554 5.7.1 go away\r\n"}, "R:554 5.7.1 go away\r\n"},
		{{"521 never\r\n"}, "R:521 never\r\n"},
		{{"421 4.7.0 too many connections\r\n"}, "R:421 4.7.0 too many connections\r\n"},
		{{"421\r\n"}, CLOSING},
		{{"421 4.3.2 full\r\n"}, CLOSING},
		{{"250 hi\r\n"}, "!:mail server refused the connection in its banner\n"},
		{{"500 what?\r\n"}, "!:mail server refused the connection in its banner\n"},
		{{"220 hi\r\n", "450 4.7.1 helo\r\n"}, GREETED "R:450 4.7.1 helo\r\n"},
		{{"220 hi\r\n", "550 helo\r\n", "550 5.7.1 a\r\n"},
		 GREETED "C:HELO gate.example\r\nR:550 5.7.1 a\r\n"},
		{{"220 hi\r\n", "502 what?\r\n", "502 what?\r\n"},
		 GREETED "C:HELO gate.example\r\n!:mail server refused EHLO and HELO\n"},
	};
	static const struct script inside = {{"220 hi\r\n", "554 5.7.1 helo\r\n"},
					     GREETED "R:554 5.7.1 helo\r\n"};
	static const struct script unknown = {
		{"220 hi\r\n", "502 what\r\n"},
		GREETED "!:mail server answered EHLO with neither yes nor no\n"};

	(void)state;
	named = true;
	play_every_way(scripts, COUNT(scripts), false);
	wanted = UPSTREAM_TLS_REQUIRED;
	play_every_way(&inside, 1, false);
	play_every_way(&unknown, 1, false);
	wanted = UPSTREAM_TLS_NONE;
	named = false;
}

static void backends_that_break_in_a_command(void **state)
{
	static const struct script scripts[] = {
		{{"SSH-2.0-x\r\n"}, GARBAGE},
		{{"220 hi\r\n", "250-a\r\n251 b\r\n"}, GREETED GARBAGE},
		{{"220 hi\r\n", "250 mx\r\n", "250 \x01\r\n"},
		 GREETED "C:MAIL FROM:<a@b.example>\r\n" GARBAGE},
		{{"220 hi\r\n", "250 mx\r\n", "354 go\r\n"},
		 GREETED "C:MAIL FROM:<a@b.example>\r\n" WRONG},
		{{"220 hi\r\n", "250 mx\r\n", "250 a\r\n", "354 b\r\n"}, GREETED ENVELOPE WRONG},
		{{"220 hi\r\n", "250 mx\r\n", "250 a\r\n", "250 b\r\n", "250 c\r\n"},
		 GREETED ENVELOPE "S:250 b\r\nC:DATA\r\n" WRONG},
		{{"220 hi\r\n", "250 mx\r\n", "250 a\r\n", "250 b\r\n", "353 c\r\n"},
		 GREETED ENVELOPE "S:250 b\r\nC:DATA\r\n" WRONG},
		{{"220 hi\r\n", "250 mx\r\n", "250 a\r\n", "250 b\r\n", "354 c\r\n", "354 d\r\n"},
		 GREETED ENVELOPE "S:250 b\r\nC:DATA\r\nS:354 c\r\nC:TEXT\n" WRONG},
		{{"220 hi\r\n", "250 mx\r\n", "250 a\r\n", "250 b\r\n", "354 c\r\n", "junk\r\n"},
		 GREETED ENVELOPE "S:250 b\r\nC:DATA\r\nS:354 c\r\nC:TEXT\n" GARBAGE},
		{{"220 hi\r\n", "250 mx\r\n", "250 a\r\n", "421 b\r\n"},
		 GREETED ENVELOPE "S:421 b\r\n" CLOSING},
		{{"220 hi\r\n", "250 mx\r\n", "250 a\r\n", "250 b\r\n", "421 c\r\n"},
		 GREETED ENVELOPE "S:250 b\r\nC:DATA\r\nS:421 c\r\n" CLOSING},
		{{"220 hi\r\n", "250 mx\r\n", "250 a\r\n", "250 b\r\n", "354 c\r\n", "421 d\r\n"},
		 GREETED ENVELOPE "S:250 b\r\nC:DATA\r\nS:354 c\r\nC:TEXT\nS:421 d\r\n" CLOSING},
	};

	(void)state;
	play_every_way(scripts, COUNT(scripts), false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tls_where_it_is_wanted_and_offered),
		cmocka_unit_test(offers_in_the_clear_are_forgotten),
		cmocka_unit_test(tls_is_reached_with_the_answer_inside_it),
		cmocka_unit_test(what_comes_behind_starttls_breaks_it),
		cmocka_unit_test(deliveries_that_go_well_or_are_refused),
		cmocka_unit_test(xclient_greets_again),
		cmocka_unit_test(xclient_refused_or_not_offered_again),
		cmocka_unit_test(backends_that_refuse_the_greeting),
		cmocka_unit_test(backends_that_refuse_a_client_they_see),
		cmocka_unit_test(backends_that_break_in_a_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
