// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "selftests/unit/random.h"
#include "selftests/unit/smtp/host.h"

/* What each line does in each state in which lines are read: the reply's code, the act, the state
 * afterwards. */
static void every_verb_in_every_state(void **state)
{
	enum { START = SMTP_START, READY = SMTP_READY, MAIL = SMTP_MAIL, RCPT = SMTP_RCPT };
	enum { CHUNKS = SMTP_CHUNKS };
	enum { SAME = -1, CLOSED = SMTP_CLOSED, BODY = SMTP_BODY };
	static const struct {
		const char *line;
		enum smtp_verb verb;
		struct {
			int code;
			enum smtp_act act;
			int next;
		} in[5];
	} rows[] = {
		{"HELO c",
		 VERB_HELO,
		 {{250, SMTP_REPLIED, READY},
		  {250, SMTP_REPLIED, SAME},
		  {250, SMTP_RESET, READY},
		  {250, SMTP_RESET, READY},
		  {250, SMTP_RESET, READY}}},
		{"EHLO c",
		 VERB_EHLO,
		 {{250, SMTP_REPLIED, READY},
		  {250, SMTP_REPLIED, SAME},
		  {250, SMTP_RESET, READY},
		  {250, SMTP_RESET, READY},
		  {250, SMTP_RESET, READY}}},
		{"EHLO",
		 VERB_EHLO,
		 {{501, SMTP_REPLIED, SAME},
		  {501, SMTP_REPLIED, SAME},
		  {501, SMTP_REPLIED, SAME},
		  {501, SMTP_REPLIED, SAME},
		  {501, SMTP_REPLIED, SAME}}},
		{"MAIL FROM:<c@d.example>",
		 VERB_MAIL,
		 {{503, SMTP_REPLIED, SAME},
		  {250, SMTP_REPLIED, MAIL},
		  {503, SMTP_REPLIED, SAME},
		  {503, SMTP_REPLIED, SAME},
		  {503, SMTP_REPLIED, SAME}}},
		{"RCPT TO:<z@y.example>",
		 VERB_RCPT,
		 {{503, SMTP_REPLIED, SAME},
		  {503, SMTP_REPLIED, SAME},
		  {250, SMTP_ASK_RCPT, RCPT},
		  {250, SMTP_ASK_RCPT, SAME},
		  {503, SMTP_REPLIED, SAME}}},
		{"RCPT TO:<no@y.example>",
		 VERB_RCPT,
		 {{503, SMTP_REPLIED, SAME},
		  {503, SMTP_REPLIED, SAME},
		  {550, SMTP_ASK_RCPT, SAME},
		  {550, SMTP_ASK_RCPT, SAME},
		  {503, SMTP_REPLIED, SAME}}},
		{"DATA",
		 VERB_DATA,
		 {{503, SMTP_REPLIED, SAME},
		  {503, SMTP_REPLIED, SAME},
		  {554, SMTP_REPLIED, SAME},
		  {354, SMTP_ASK_DATA, BODY},
		  {503, SMTP_REPLIED, SAME}}},
		{"BDAT 0",
		 VERB_BDAT,
		 {{502, SMTP_REPLIED, SAME},
		  {503, SMTP_RESET, SAME},
		  {554, SMTP_REPLIED, SAME},
		  {250, SMTP_CHUNK_END, CHUNKS},
		  {250, SMTP_CHUNK_END, SAME}}},
		{"BDAT 0 LAST",
		 VERB_BDAT,
		 {{502, SMTP_REPLIED, SAME},
		  {503, SMTP_RESET, SAME},
		  {554, SMTP_REPLIED, SAME},
		  {250, SMTP_TEXT_END, READY},
		  {250, SMTP_TEXT_END, READY}}},
		{"BDAT x",
		 VERB_BDAT,
		 {{502, SMTP_REPLIED, SAME},
		  {501, SMTP_HANGUP, CLOSED},
		  {501, SMTP_HANGUP, CLOSED},
		  {501, SMTP_HANGUP, CLOSED},
		  {501, SMTP_HANGUP, CLOSED}}},
		{"RSET",
		 VERB_RSET,
		 {{250, SMTP_REPLIED, SAME},
		  {250, SMTP_REPLIED, SAME},
		  {250, SMTP_RESET, READY},
		  {250, SMTP_RESET, READY},
		  {250, SMTP_RESET, READY}}},
		{"NOOP",
		 VERB_NOOP,
		 {{250, SMTP_REPLIED, SAME},
		  {250, SMTP_REPLIED, SAME},
		  {250, SMTP_REPLIED, SAME},
		  {250, SMTP_REPLIED, SAME},
		  {250, SMTP_REPLIED, SAME}}},
		{"VRFY x",
		 VERB_VRFY,
		 {{252, SMTP_REPLIED, SAME},
		  {252, SMTP_REPLIED, SAME},
		  {252, SMTP_REPLIED, SAME},
		  {252, SMTP_REPLIED, SAME},
		  {252, SMTP_REPLIED, SAME}}},
		{"HELP",
		 VERB_HELP,
		 {{214, SMTP_REPLIED, SAME},
		  {214, SMTP_REPLIED, SAME},
		  {214, SMTP_REPLIED, SAME},
		  {214, SMTP_REPLIED, SAME},
		  {214, SMTP_REPLIED, SAME}}},
		{"QUIT",
		 VERB_QUIT,
		 {{221, SMTP_HANGUP, CLOSED},
		  {221, SMTP_HANGUP, CLOSED},
		  {221, SMTP_HANGUP, CLOSED},
		  {221, SMTP_HANGUP, CLOSED},
		  {221, SMTP_HANGUP, CLOSED}}},
		{"STARTTLS",
		 VERB_STARTTLS,
		 {{503, SMTP_REPLIED, SAME},
		  {220, SMTP_ASK_TLS, START},
		  {503, SMTP_REPLIED, SAME},
		  {503, SMTP_REPLIED, SAME},
		  {503, SMTP_REPLIED, SAME}}},
		{"STARTTLS now",
		 VERB_STARTTLS,
		 {{501, SMTP_REPLIED, SAME},
		  {501, SMTP_REPLIED, SAME},
		  {501, SMTP_REPLIED, SAME},
		  {501, SMTP_REPLIED, SAME},
		  {501, SMTP_REPLIED, SAME}}},
		{"GET / HTTP/1.1",
		 VERB_NOT_SMTP,
		 {{500, SMTP_REPLIED, SAME},
		  {500, SMTP_REPLIED, SAME},
		  {500, SMTP_REPLIED, SAME},
		  {500, SMTP_REPLIED, SAME},
		  {500, SMTP_REPLIED, SAME}}},
		{"EXPN x",
		 VERB_FOREIGN,
		 {{502, SMTP_REPLIED, SAME},
		  {502, SMTP_REPLIED, SAME},
		  {502, SMTP_REPLIED, SAME},
		  {502, SMTP_REPLIED, SAME},
		  {502, SMTP_REPLIED, SAME}}},
		{"WHAT",
		 VERB_UNKNOWN,
		 {{500, SMTP_REPLIED, SAME},
		  {500, SMTP_REPLIED, SAME},
		  {500, SMTP_REPLIED, SAME},
		  {500, SMTP_REPLIED, SAME},
		  {500, SMTP_REPLIED, SAME}}},
	};
	unsigned int seen = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int from = START; from <= CHUNKS; from++) {
			struct host *h = host_in(from);
			int next = rows[i].in[from].next == SAME ? from : rows[i].in[from].next;
			const char *reply;

			h->c.tls = SMTP_TLS_OFFERED;
			host_line(h, rows[i].line);
			reply = strstr(h->record, "S: ");
			assert_non_null(reply);
			if (strtol(reply + 3, NULL, 10) != rows[i].in[from].code ||
			    h->last_act != rows[i].in[from].act || h->s.state != next)
				fail_msg("%s in state %d: state %d\n%s", rows[i].line, from,
					 h->s.state, h->record);
			assert_int_equal(h->last_verb, rows[i].verb);
			seen |= 1u << h->last_verb;
			free(h);
		}
	}
	assert_int_equal(seen, (1u << VERB_MAX) - 1);
}

/* RFC 3207 4.2: what was said in the clear is forgotten; what the client has used up is not. */
static void the_handshake_begins_anew(void **state)
{
	struct host *h = host_in(SMTP_READY);

	(void)state;
	h->c.tls = SMTP_TLS_OFFERED;
	host_line(h, "WHAT");
	host_line(h, "STARTTLS");
	assert_int_equal(h->s.state, SMTP_START);
	assert_string_equal(h->s.helo, "");
	assert_false(h->s.esmtp);
	assert_int_equal(h->s.errors, 1);
	assert_int_equal(h->s.commands, 3);
	host_line(h, "MAIL FROM:<a@b.example>");
	assert_int_equal(h->last_reply, REPLY_SEQUENCE);
	h->record_len = 0;
	memset(h->record, 0, sizeof(h->record));
	host_line(h, "EHLO c");
	assert_null(strstr(h->record, "STARTTLS"));
	host_line(h, "STARTTLS");
	assert_int_equal(h->last_reply, REPLY_SEQUENCE);
	free(h);
}

static void without_a_certificate_there_is_no_starttls(void **state)
{
	(void)state;
	for (int from = SMTP_START; from <= SMTP_CHUNKS; from++) {
		struct host *h = host_in(from);

		host_line(h, "STARTTLS");
		assert_int_equal(h->last_reply, REPLY_NOT_IMPLEMENTED);
		assert_int_equal(h->s.state, from);
		free(h);
	}
}

/* Lines and bytes of other protocols, through every cut. */
static void what_is_no_smtp_ends_the_session(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		bool foreign;
	} rows[] = {
#define ROW(text, foreign) {text, sizeof(text) - 1, foreign}
		ROW("GET / HTTP/1.1\r\n", true),
		ROW("post / HTTP/1.1\r\n", true),
		ROW("CONNECT mx.example.net:25 HTTP/1.1\r\n", true),
		ROW("PRI * HTTP/2.0\r\n", true),
		ROW("Host: mx.example.net\r\n", true),
		ROW("User-Agent:curl\r\n", true),
		ROW("Subject: cheap\r\n", true),
		ROW("From:<a@b.example>\r\n", true),
		ROW("SSH-2.0-OpenSSH_9.2\r\n", true),
		ROW("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", true),
		ROW("\x16\x03\x01 a line\r\n", true),
		ROW("\x16\x02\x00\r\n", false),
		ROW("GETS\r\n", false),
		ROW("WHAT: x\r\n", true),
		ROW("WHAT : x\r\n", false),
		ROW(": x\r\n", false),
		ROW("SSH\r\n", false),
		ROW("\r\n", false),
#undef ROW
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t cut = 0; cut <= rows[i].len; cut++) {
			struct host *h = host_new();

			h->c.only_smtp = true;
			host_feed(h, rows[i].bytes, cut);
			host_feed(h, rows[i].bytes + cut, rows[i].len - cut);
			if ((h->s.state == SMTP_CLOSED) != rows[i].foreign)
				fail_msg("row %zu cut %zu: state %d\n%s", i, cut, h->s.state,
					 h->record);
			if (rows[i].foreign)
				assert_int_equal(h->last_reply, REPLY_NOT_SMTP);
			free(h);
		}
}

/* Strict or not, a path that could be misread is refused. */
static void loose_paths_are_taken_where_they_may_be(void **state)
{
	static const struct {
		const char *line;
		int loose, strict; /* replies; -1: asked about */
	} rows[] = {
		{"MAIL FROM:<taro..yamada@docomo.example>", REPLY_MAIL_OK, REPLY_BAD_PATH},
		{"RCPT TO:<taro.@docomo.example> NOTIFY=NEVER", REPLY_BAD_PARAM,
		 REPLY_BAD_RECIPIENT},
		{"RCPT TO:<taro.@docomo.example>", -1, REPLY_BAD_RECIPIENT},
		{"RCPT TO:<bounce@mail_1.shop.example>", -1, REPLY_BAD_RECIPIENT},
		{"RCPT TO:<@one_1:b@c.example>", -1, REPLY_BAD_RECIPIENT},
		{"RCPT TO:<b@c.example>", -1, -1},
		{"RCPT TO:<a..b@c.example", REPLY_BAD_RECIPIENT, REPLY_BAD_RECIPIENT},
		{"RCPT TO:a..b@c.example", REPLY_BAD_RECIPIENT, REPLY_BAD_RECIPIENT},
		{"RCPT TO:<a.. b@c.example>", REPLY_BAD_RECIPIENT, REPLY_BAD_RECIPIENT},
		{"RCPT TO:<a..\"b@c.example>", REPLY_BAD_RECIPIENT, REPLY_BAD_RECIPIENT},
		{"RCPT TO:<a..\x01@c.example>", REPLY_BAD_RECIPIENT, REPLY_BAD_RECIPIENT},
	};

	(void)state;
	for (int strict = 0; strict <= 1; strict++) {
		struct host *h = host_in(SMTP_READY);

		h->c.strict_paths = strict;
		h->c.errors = h->c.recipients = 0;
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			host_line(h, rows[i].line);
			if (h->last_reply != (strict ? rows[i].strict : rows[i].loose))
				fail_msg("%s, strict %d: %d", rows[i].line, strict, h->last_reply);
			if (!i && strict)
				host_line(h, "MAIL FROM:<a@b.example>");
		}
		free(h);
	}
}

static void any_helo_is_taken_where_it_may_be(void **state)
{
	struct host *h = host_new();

	(void)state;
	host_line(h, "HELO what is this?");
	assert_int_equal(h->last_reply, REPLY_BAD_HELO);
	h->c.any_helo = true;
	host_line(h, "HELO what is this?");
	assert_int_equal(h->last_reply, REPLY_HELO);
	assert_string_equal(h->s.helo, "what is this?");
	host_line(h, "EHLO");
	assert_int_equal(h->last_reply, REPLY_BAD_HELO);
	free(h);
}

/* The step names the last reply of the machine, for counters and the log. */
static void the_step_names_the_reply(void **state)
{
	static const struct {
		const char *line;
		int reply;
	} rows[] = {
		{"NOOP", REPLY_OK},
		{"WHAT", REPLY_UNKNOWN},
		{"RCPT TO:<x@y.example>", -1},
		{"RCPT TO:x", REPLY_BAD_RECIPIENT},
		{"DATA x", REPLY_SYNTAX},
		{"QUIT", REPLY_BYE},
	};
	struct host *h = host_in(SMTP_MAIL);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		host_line(h, rows[i].line);
		assert_int_equal(h->last_reply, rows[i].reply);
	}
	free(h);
}

static void only_refusals_of_our_own_count_as_errors(void **state)
{
	struct host *h = host_in(SMTP_MAIL);

	(void)state;
	host_line(h, "RCPT TO:<no@y.example>");
	host_line(h, "RCPT TO:<grey@y.example>");
	host_line(h, "VRFY x");
	assert_int_equal(h->s.errors, 0);
	host_line(h, "RCPT TO:x");
	host_line(h, "DATA");
	host_line(h, "X");
	assert_int_equal(h->s.errors, 3);
	free(h);
}

static void no_limit_is_no_limit(void **state)
{
	struct host *h = host_in(SMTP_READY);

	(void)state;
	h->c.errors = h->c.commands = h->c.recipients = 0;
	h->c.message = 0;
	for (int i = 0; i < 70000; i++) {
		host_line(h, "X");
		h->record_len = 0;
	}
	host_line(h, "MAIL FROM:<a@b.example>");
	for (int i = 0; i < 500; i++) {
		host_line(h, "RCPT TO:<x@y.example>");
		h->record_len = 0;
	}
	assert_int_equal(h->s.recipients, 500);
	assert_int_equal(h->s.errors, 70000);
	free(h);
}

/* The same bytes, whatever they are, give the same record whole and in pieces; nothing overflows.
 */
static void random_sessions_do_not_depend_on_the_cut(void **state)
{
	static const char *const words[] = {
		"EHLO c\r\n",
		"HELO c\r\n",
		"MAIL FROM:<a@b.example>\r\n",
		"RSET\r\n",
		"DATA\r\n",
		"RCPT TO:<x@y.example>\r\n",
		".\r\n",
		"\r\n.\r\n",
		"RCPT TO:<grey@y.example>\r\n",
		"\r",
		"\n",
		"MAIL FROM:<lost@b.example>\r\n",
		"..",
		"some text",
		"BDAT 3\r\n",
		"BDAT 0 LAST\r\n",
		"BDAT 9 LAST\r\n",
		"MAIL FROM:<> SIZE=99\r\n",
		"\xff",
		"NOOP \t\r\n",
		"MAIL FROM:<defer@b.example>\r\n",
		"a very long line that goes on and on and on and on and on and on and on and on",
	};
	const size_t count = sizeof(words) / sizeof(words[0]);
	uint64_t seed = 3;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct host *whole = host_new(), *cut = host_new();
		char text[8192];
		size_t len = 0;

		while (len < 2000) {
			size_t i = random_below(&seed, (uint32_t)count);

			/* Mostly the way of a good session, so that its late states are reached. */
			if (random_below(&seed, 3))
				i = (size_t)(round + len) % 8;
			memcpy(text + len, words[i], strlen(words[i]));
			len += strlen(words[i]);
			if (random_below(&seed, 60) == 0)
				text[len++] = '\0';
		}
		whole->c.offers = cut->c.offers = (uint8_t)random_below(&seed, 16);
		whole->c.errors = cut->c.errors = 1 + random_below(&seed, 40);
		whole->c.message = cut->c.message = 20 + random_below(&seed, 300);
		cut->in_cap = cut->c.line;
		host_feed(whole, text, len);
		for (size_t at = 0; at < len;) {
			size_t n = 1 + random_below(&seed, 80);

			n = len - at < n ? len - at : n;
			host_feed(cut, text + at, n);
			at += n;
		}
		assert_int_equal(whole->record_len, cut->record_len);
		assert_memory_equal(whole->record, cut->record, cut->record_len);
		assert_null(memmem(whole->record, whole->record_len, "!: ", 3));
		free(whole);
		free(cut);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_verb_in_every_state),
		cmocka_unit_test(the_handshake_begins_anew),
		cmocka_unit_test(without_a_certificate_there_is_no_starttls),
		cmocka_unit_test(what_is_no_smtp_ends_the_session),
		cmocka_unit_test(loose_paths_are_taken_where_they_may_be),
		cmocka_unit_test(any_helo_is_taken_where_it_may_be),
		cmocka_unit_test(the_step_names_the_reply),
		cmocka_unit_test(only_refusals_of_our_own_count_as_errors),
		cmocka_unit_test(no_limit_is_no_limit),
		cmocka_unit_test(random_sessions_do_not_depend_on_the_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
