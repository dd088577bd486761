// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Message bytes: what has been published as ways to smuggle a message past one of two servers is
 * refused wherever it stands and however it is cut; chunks come out as they went in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "selftests/unit/random.h"
#include "selftests/unit/smtp/host.h"

struct bytes {
	const char *text;
	size_t len;
};

#define V(text)                                                                                    \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}

/* Everything around a dot that some server has taken for the end of a message. */
static const struct bytes vectors[] = {
	V("\n.\n"),       V("\n.\r\n"),       V("\r\n.\n"),      V("\r.\r"),
	V("\r.\r\n"),     V("\r\n.\r"),       V("\r.\n"),        V("\n.\r"),
	V("\r\n\0.\r\n"), V("\r\n.\0\r\n"),   V("\r\n.\r\0\n"),  V("\r\n.\r\r\n"),
	V("\r\r\n.\r\n"), V("\r\n.\n\n"),     V("\n\n.\r\n"),    V("\n.\n\n"),
	V("\r\n\r.\r\n"), V("\r\n.\r\n\r."),  V("\0\r\n.\r\0"),  V("\n..\n"),
	V("\r\n.\n\r\n"), V("\r\n.\r\r\n\n"), V("\n.\r\n.\r\n"), V("\r\n.\n.\r\n"),
};

#define VECTORS (sizeof(vectors) / sizeof(vectors[0]))

static const struct bytes before = V("Subject: x\r\n\r\nhello"),
			  smuggled = V("MAIL FROM:<evil@x.example>\r\nRCPT TO:<evil@y.example>\r\n"
				       "DATA\r\nevil\r\n");

static size_t put(char *buf, size_t at, const struct bytes *b)
{
	memcpy(buf + at, b->text, b->len);
	return at + b->len;
}

/* In the middle of a transaction. */
static struct host *host_open(void)
{
	struct host *h = host_in(SMTP_RCPT);

	h->c.errors = h->c.commands = 0;
	h->s.commands = 0;
	return h;
}

static void feed(struct host *h, const char *text, size_t len, size_t piece)
{
	for (size_t at = 0; at < len; at += piece)
		host_feed(h, text + at, len - at < piece ? len - at : piece);
}

/* Refused with 550 5.6.11 once, and nothing of it was taken. */
static void refused(struct host *h, size_t vector, const char *how, size_t at)
{
	const char *first = strstr(h->record, "S: 550 5.6.11 ");

	h->record[h->record_len] = '\0';
	if (!first || strstr(first + 1, "S: 550 5.6.11 ") || strstr(h->record, "B: ") ||
	    strstr(h->record, "evil") || !strstr(h->record, "A: bad"))
		fail_msg("vector %zu, %s %zu:\n%s", vector, how, at, h->record);
	free(h);
}

static void nothing_is_smuggled_in_data(void **state)
{
	(void)state;
	for (size_t v = 0; v < VECTORS; v++) {
		char text[512];
		size_t len = put(text, 0, &before);

		len = put(text, len, &vectors[v]);
		len = put(text, len, &smuggled);
		/* What follows a lone dot is a command again: there the vector has ended the
		 * message lawfully. */
		if (memmem(text, len, "\r\n.\r\n", 5))
			continue;
		len = put(text, len, &(struct bytes)V(".\r\n"));
		for (size_t cut = 0; cut <= len; cut++) {
			struct host *h = host_open();

			host_line(h, "DATA");
			host_feed(h, text, cut);
			host_feed(h, text + cut, len - cut);
			refused(h, v, "cut at", cut);
		}
		for (size_t piece = 1; piece < 4; piece++) {
			struct host *h = host_open();

			host_line(h, "DATA");
			feed(h, text, len, piece);
			refused(h, v, "pieces of", piece);
		}
	}
}

/* What ends the message lawfully ends it, and what follows is a bad line. */
static void behind_a_lawful_end_there_are_commands(void **state)
{
	static const struct bytes tails[] = {V("\r."), V("\n"), V("\n.\r"), V("\0"), V(".\n")};

	(void)state;
	for (size_t v = 0; v < sizeof(tails) / sizeof(tails[0]); v++) {
		char text[512];
		size_t len = put(text, 0, &before);

		len = put(text, len, &(struct bytes)V("\r\n.\r\n"));
		len = put(text, len, &tails[v]);
		len = put(text, len, &(struct bytes)V("MAIL FROM:<evil@x.example>\r\n"));
		for (size_t cut = 0; cut <= len; cut++) {
			struct host *h = host_open();

			host_line(h, "DATA");
			host_feed(h, text, cut);
			host_feed(h, text + cut, len - cut);
			assert_non_null(strstr(h->record, "S: 250 2.0.0 queued\n"));
			assert_non_null(strstr(h->record, "S: 500 5.5.2 "));
			assert_null(strstr(h->record, "Sender ok"));
			free(h);
		}
	}
}

/* A line with such a byte is one error and nothing else, up to its CRLF. */
static void nothing_is_smuggled_in_commands(void **state)
{
	(void)state;
	for (size_t v = 0; v < VECTORS; v++) {
		struct host *whole = host_open();
		char text[512];
		size_t len = put(text, 0, &(struct bytes)V("NOOP"));

		len = put(text, len, &vectors[v]);
		len = put(text, len, &(struct bytes)V("HELP\r\n"));
		host_feed(whole, text, len);
		assert_non_null(strstr(whole->record, "S: 500 5.5."));
		if (memcmp(vectors[v].text, "\r\n", 2) != 0)
			assert_null(strstr(whole->record, "S: 250 2.0.0 Ok"));
		if (memcmp(vectors[v].text + vectors[v].len - 2, "\r\n", 2) != 0)
			assert_null(strstr(whole->record, "S: 214 "));
		for (size_t cut = 0; cut <= len; cut++) {
			struct host *h = host_open();

			host_feed(h, text, cut);
			host_feed(h, text + cut, len - cut);
			if (h->record_len != whole->record_len ||
			    memcmp(h->record, whole->record, h->record_len) != 0)
				fail_msg("vector %zu, cut at %zu:\n%s", v, cut, h->record);
			free(h);
		}
		free(whole);
	}
}

/* A message in two chunks, the first one `first` bytes long, as it goes over the wire. */
static size_t in_chunks(char *buf, size_t size, const char *text, size_t len, size_t first)
{
	size_t n = (size_t)snprintf(buf, size, "BDAT %zu\r\n", first);

	memcpy(buf + n, text, first);
	n += first;
	n += (size_t)snprintf(buf + n, size - n, "BDAT %zu LAST\r\n", len - first);
	memcpy(buf + n, text + first, len - first);
	return n + len - first;
}

static bool has_bare_byte(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!text[i] || (text[i] == '\n' && (!i || text[i - 1] != '\r')) ||
		    (text[i] == '\r' && (i + 1 == len || text[i + 1] != '\n')))
			return true;
	return false;
}

static void nothing_is_smuggled_in_chunks(void **state)
{
	(void)state;
	for (size_t v = 0; v < VECTORS; v++) {
		char text[512], wire[600];
		size_t len = put(text, 0, &before), n;

		len = put(text, len, &vectors[v]);
		len = put(text, len, &smuggled);
		if (!has_bare_byte(text, len))
			continue;
		/* One chunk, read in two; two chunks cut anywhere, read whole and byte by byte. */
		for (size_t cut = 0; cut <= len; cut++) {
			struct host *h = host_open();

			n = (size_t)snprintf(wire, sizeof(wire), "BDAT %zu LAST\r\n", len);
			memcpy(wire + n, text, len);
			host_feed(h, wire, cut);
			host_feed(h, wire + cut, n + len - cut);
			refused(h, v, "one chunk, cut at", cut);
			for (size_t piece = 1; piece <= sizeof(wire); piece += sizeof(wire) - 1) {
				h = host_open();
				n = in_chunks(wire, sizeof(wire), text, len, cut);
				feed(h, wire, n, piece);
				refused(h, v, "two chunks, the first of", cut);
			}
		}
	}
}

/* A lone dot, dots at the start of a line: in a chunk they are text. */
static void chunks_come_out_as_they_went_in(void **state)
{
	static const struct bytes text = V("From: <a@b>\r\n\r\n.\r\n..\r\n\r\n.\r\nhi\r\n.\r\n");

	(void)state;
	for (size_t first = 0; first <= text.len; first++) {
		char wire[200];
		size_t n = in_chunks(wire, sizeof(wire), text.text, text.len, first);

		for (size_t cut = 0; cut <= n; cut++) {
			struct host *h = host_open();

			host_feed(h, wire, cut);
			host_feed(h, wire + cut, n - cut);
			assert_int_equal(h->body_len, text.len);
			assert_memory_equal(h->body, text.text, text.len);
			assert_non_null(strstr(h->record, "S: 250 2.0.0 more\nB: "));
			assert_non_null(strstr(h->record, "S: 250 2.0.0 queued\n"));
			assert_int_equal(h->s.state, SMTP_READY);
			free(h);
		}
	}
}

static void any_number_of_chunks_of_any_size(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct host *h = host_open();
		char text[4000];
		size_t len = 2 * random_below(&seed, sizeof(text) / 2);

		h->c.message = 0;
		for (size_t i = 0; i + 1 < len; i += 2)
			memcpy(text + i, random_below(&seed, 3) ? "ab" : "\r\n", 2);
		for (size_t at = 0, n;; at += n) {
			char line[40];
			bool last;

			n = random_below(&seed, 3) ? random_below(&seed, 400) : 0;
			n = n < len - at ? n : len - at;
			last = at + n == len && random_below(&seed, 2);
			snprintf(line, sizeof(line), "BDAT %zu%s", n, last ? " LAST" : "");
			host_line(h, line);
			feed(h, text + at, n, 1 + random_below(&seed, 100));
			h->record_len = last ? h->record_len : 0;
			if (last)
				break;
		}
		assert_int_equal(h->body_len, len);
		assert_memory_equal(h->body, text, len);
		assert_int_equal(h->s.state, SMTP_READY);
		free(h);
	}
}

/* The size of a chunk alone decides how many bytes of it are no commands. */
static void a_chunk_that_cannot_be_used_is_read_to_its_end(void **state)
{
	static const struct {
		const char *lines; /* after RCPT */
		const char *reply;
		enum smtp_state next;
	} rows[] = {
		{"RSET\r\nBDAT 6\r\nQUIT\r\n", "S: 503 5.5.1 ", SMTP_READY},
		{"RSET\r\nBDAT 6 LAST\r\nQUIT\r\n", "S: 503 5.5.1 ", SMTP_READY},
		{"RSET\r\nMAIL FROM:<a@b.example>\r\nBDAT 6 LAST\r\nQUIT\r\n", "S: 554 5.5.1 ",
		 SMTP_MAIL},
		{"BDAT 6\r\nrefuseBDAT 6 LAST\r\nQUIT\r\n", "S: 452 4.3.1 ", SMTP_READY},
		{"BDAT 1001 LAST\r\n", "", SMTP_CHUNK_DISCARD},
		{"BDAT 2\r\nhiDATA\r\n", "S: 503 5.5.1 ", SMTP_CHUNKS},
		{"BDAT 2\r\nhiMAIL FROM:<a@b.example>\r\n", "S: 503 5.5.1 ", SMTP_CHUNKS},
		{"BDAT 2\r\nhiRCPT TO:<x@y.example>\r\n", "S: 503 5.5.1 ", SMTP_CHUNKS},
		{"BDAT 2\r\nhiRSET\r\nBDAT 6\r\nQUIT\r\n", "S: 503 5.5.1 ", SMTP_READY},
		{"BDAT 1\r\n\r", "S: 250 2.0.0 ", SMTP_CHUNKS},
		{"BDAT 1\r\n\rBDAT 0 LAST\r\n", "S: 550 5.6.11 ", SMTP_READY},
		{"BDAT 1\r\n\rRSET\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\n"
		 "BDAT 1 LAST\r\n\n",
		 "S: 550 5.6.11 ", SMTP_READY},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = strlen(rows[i].lines);

		for (size_t cut = 0; cut <= len; cut++) {
			struct host *h = host_open();

			host_feed(h, rows[i].lines, cut);
			host_feed(h, rows[i].lines + cut, len - cut);
			if (h->s.state != rows[i].next || !strstr(h->record, rows[i].reply) ||
			    strstr(h->record, "S: 221"))
				fail_msg("row %zu, cut at %zu: state %d\n%s", i, cut, h->s.state,
					 h->record);
			free(h);
		}
	}
}

static void the_size_limit_counts_all_chunks(void **state)
{
	struct host *h = host_open();

	(void)state;
	h->c.message = 10;
	host_feed(h, "BDAT 10\r\n0123456789", 19);
	assert_non_null(strstr(h->record, "S: 250 2.0.0 more"));
	host_feed(h, "BDAT 1 LAST\r\nx", 14);
	assert_non_null(strstr(h->record, "S: 552 5.3.4 "));
	assert_int_equal(h->s.state, SMTP_READY);
	/* The limit shrank in the middle of a message. */
	host_line(h, "MAIL FROM:<a@b.example>");
	host_line(h, "RCPT TO:<x@y.example>");
	host_feed(h, "BDAT 9\r\n012345678", 17);
	h->c.message = 5;
	host_feed(h, "BDAT 1 LAST\r\nx", 14);
	assert_int_equal(h->s.state, SMTP_READY);
	assert_non_null(strstr(strstr(h->record, "S: 552 ") + 1, "S: 552 "));
	free(h);
}

/* Chunks that carry something are no commands; bare ones are. */
static void small_chunks_count_as_commands(void **state)
{
	struct host *h = host_open();
	char chunk[600] = "BDAT 512\r\n";

	(void)state;
	h->c.commands = h->s.commands + 5;
	h->c.message = 0;
	memset(chunk + 10, 'x', 512);
	for (int i = 0; i < 20; i++)
		host_feed(h, chunk, 522);
	assert_int_equal(h->s.state, SMTP_CHUNKS);
	for (int i = 0; i < 6; i++)
		host_feed(h, "BDAT 1\r\nx", 9);
	assert_int_equal(h->s.state, SMTP_CLOSED);
	assert_non_null(strstr(h->record, "S: 421 4.7.0 "));
	free(h);
}

/* As many recipients as are allowed need no more commands than one; RFC 5321 4.5.3.1.8 */
static void recipients_have_a_limit_of_their_own(void **state)
{
	struct host *h = host_open();

	(void)state;
	h->c.commands = 10;
	h->c.recipients = 100;
	host_line(h, "EHLO c");
	host_line(h, "MAIL FROM:<a@b.example>");
	for (int i = 0; i < 100; i++) {
		host_line(h, "RCPT TO:<x@y.example>");
		h->record_len = 0;
	}
	assert_int_equal(h->s.recipients, 100);
	assert_int_equal(h->s.commands, 2);
	for (int i = 0; i < 8; i++) {
		host_line(h, "RCPT TO:<x@y.example>");
		assert_int_equal(h->last_reply, REPLY_TOO_MANY_RECIPIENTS);
	}
	host_line(h, "RCPT TO:<x@y.example>");
	assert_int_equal(h->last_reply, REPLY_TOO_MANY_COMMANDS);
	assert_int_equal(h->s.state, SMTP_CLOSED);
	free(h);
}

/* Who brings mail may bring more; who begins again and again brings none. */
static void an_accepted_message_begins_the_count_anew(void **state)
{
	struct host *h = host_open();

	(void)state;
	h->c.commands = 10;
	host_line(h, "EHLO c");
	for (int i = 0; i < 50; i++) {
		host_line(h, "MAIL FROM:<a@b.example>");
		host_line(h, "RCPT TO:<x@y.example>");
		host_line(h, "DATA");
		host_feed(h, "x\r\n.\r\n", 6);
		assert_int_equal(h->s.state, SMTP_READY);
		assert_int_equal(h->s.commands, 0);
		h->record_len = 0;
	}
	for (int i = 0; i < 5; i++) {
		host_line(h, "MAIL FROM:<a@b.example>");
		host_line(h, "RCPT TO:<x@y.example>");
		host_line(h, "RSET");
	}
	assert_int_equal(h->s.commands, 10);
	host_line(h, "MAIL FROM:<a@b.example>");
	assert_int_equal(h->s.state, SMTP_CLOSED);
	free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_smuggled_in_data),
		cmocka_unit_test(behind_a_lawful_end_there_are_commands),
		cmocka_unit_test(nothing_is_smuggled_in_commands),
		cmocka_unit_test(nothing_is_smuggled_in_chunks),
		cmocka_unit_test(chunks_come_out_as_they_went_in),
		cmocka_unit_test(any_number_of_chunks_of_any_size),
		cmocka_unit_test(a_chunk_that_cannot_be_used_is_read_to_its_end),
		cmocka_unit_test(the_size_limit_counts_all_chunks),
		cmocka_unit_test(small_chunks_count_as_commands),
		cmocka_unit_test(recipients_have_a_limit_of_their_own),
		cmocka_unit_test(an_accepted_message_begins_the_count_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
