// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The conversations in transcripts/: each is replayed as its lines stand, whole, cut in two at
 * every byte, byte by byte, and through a buffer of the smallest size that the machine allows; the
 * record is the same every time. Lines:
 *
 *   O: key=value ...   settings            C: a line of the client, CRLF is added
 *   X: raw bytes of the client with \r \n \0 \xHH \\ and \{600a} for 600 times "a"
 *   S: A: B:           what comes out (host.h)                  # a comment
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <glob.h>

#include "selftests/unit/smtp/host.h"

#define TRANSCRIPTS "selftests/unit/smtp/transcripts/*.txt"
#define FEWEST 10 /* a wrong working directory must not pass for success */

struct transcript {
	const char *file;
	char options[512];
	char input[HOST_INPUT], expected[HOST_RECORD];
	size_t input_len, expected_len;
	/* After `input` bytes the record holds `expected` bytes. */
	struct mark {
		size_t input, expected;
	} marks[512];
	size_t mark_count;
};

static size_t unescape(const char *text, char *out)
{
	size_t len = 0;

	while (*text && *text != '\n') {
		unsigned int value, count;
		char ch;
		int n = 0;

		if (*text != '\\') {
			out[len++] = *text++;
		} else if (sscanf(text, "\\{%u%c}%n", &count, &ch, &n) == 2 && n) {
			memset(out + len, ch, count);
			len += count;
			text += n;
		} else if (sscanf(text, "\\x%2x%n", &value, &n) == 1 && n) {
			out[len++] = (char)value;
			text += n;
		} else {
			out[len++] = text[1] == 'r'   ? '\r'
				     : text[1] == 'n' ? '\n'
				     : text[1] == '0' ? '\0'
						      : text[1];
			text += 2;
		}
	}
	return len;
}

static void mark(struct transcript *t)
{
	assert_true(t->mark_count < sizeof(t->marks) / sizeof(t->marks[0]));
	t->marks[t->mark_count++] = (struct mark){t->input_len, t->expected_len};
}

static struct transcript *transcript_read(const char *file)
{
	struct transcript *t = calloc(1, sizeof(*t));
	FILE *f = fopen(file, "r");
	char line[4096];
	bool heard = false;

	assert_non_null(t);
	assert_non_null(f);
	t->file = file;
	while (fgets(line, sizeof(line), f)) {
		bool client = line[0] == 'C' || line[0] == 'X';

		if (line[0] == '#' || line[0] == '\n')
			continue;
		line[strcspn(line, "\n")] = '\0';
		if (strlen(line) < 2 || line[1] != ':')
			fail_msg("%s: what is '%s'?", file, line);
		if (client && heard)
			mark(t);
		heard = !client;
		if (line[0] == 'O') {
			assert_true(strlen(line + 2) < sizeof(t->options));
			memcpy(t->options, line + 2, strlen(line + 2) + 1);
		} else if (line[0] == 'C') {
			t->input_len += (size_t)snprintf(t->input + t->input_len,
							 sizeof(t->input) - t->input_len, "%s\r\n",
							 line[2] ? line + 3 : "");
		} else if (line[0] == 'X') {
			t->input_len += unescape(line + 3, t->input + t->input_len);
		} else {
			t->expected_len +=
				(size_t)snprintf(t->expected + t->expected_len,
						 sizeof(t->expected) - t->expected_len, "%c: %s\n",
						 line[0], line[2] ? line + 3 : "");
		}
	}
	mark(t);
	fclose(f);
	return t;
}

static bool option_offer(struct host *h, const char *word, unsigned long value)
{
	static const struct {
		const char *word;
		enum smtp_offer offer;
	} offers[] = {
		{"eightbit", SMTP_OFFER_8BITMIME}, {"utf8", SMTP_OFFER_SMTPUTF8},
		{"dsn", SMTP_OFFER_DSN},           {"chunking", SMTP_OFFER_CHUNKING},
		{"enhanced", SMTP_OFFER_ENHANCED},
	};

	for (size_t i = 0; i < sizeof(offers) / sizeof(offers[0]); i++) {
		if (strcmp(word, offers[i].word) != 0)
			continue;
		h->c.offers =
			(uint8_t)((h->c.offers & ~offers[i].offer) | (value ? offers[i].offer : 0));
		return true;
	}
	return false;
}

static struct host *host_for(const struct transcript *t)
{
	struct host *h = host_new();
	char options[sizeof(t->options)], *rest = options, *word;

	memcpy(options, t->options, sizeof(options));
	while ((word = strsep(&rest, " "))) {
		char *equals = strchr(word, '=');
		unsigned long value = equals ? strtoul(equals + 1, NULL, 10) : 0;

		if (!*word)
			continue;
		assert_non_null(equals);
		*equals = '\0';
		if (strcmp(word, "line") == 0)
			h->c.line = value;
		else if (strcmp(word, "commands") == 0)
			h->c.commands = (uint32_t)value;
		else if (strcmp(word, "errors") == 0)
			h->c.errors = (uint32_t)value;
		else if (strcmp(word, "recipients") == 0)
			h->c.recipients = (uint32_t)value;
		else if (strcmp(word, "message") == 0)
			h->c.message = value;
		else if (!option_offer(h, word, value))
			fail_msg("%s: no option %s", t->file, word);
	}
	return h;
}

static void compare(const struct transcript *t, struct host *h, size_t upto, const char *how,
		    size_t at)
{
	if (h->record_len == upto && memcmp(h->record, t->expected, upto) == 0)
		return;
	fail_msg("%s, %s %zu:\n--- expected\n%.*s--- got\n%.*s", t->file, how, at, (int)upto,
		 t->expected, (int)h->record_len, h->record);
}

static void replay(const struct transcript *t)
{
	struct host *h = host_for(t);
	size_t from = 0;

	for (size_t i = 0; i < t->mark_count; i++) {
		host_feed(h, t->input + from, t->marks[i].input - from);
		from = t->marks[i].input;
		compare(t, h, t->marks[i].expected, "step", i);
	}
	free(h);

	for (size_t cut = 0; cut <= t->input_len; cut++) {
		h = host_for(t);
		host_feed(h, t->input, cut);
		host_feed(h, t->input + cut, t->input_len - cut);
		compare(t, h, t->expected_len, "cut at", cut);
		free(h);
	}

	for (size_t piece = 1; piece <= 3; piece++) {
		h = host_for(t);
		for (size_t at = 0; at < t->input_len; at += piece)
			host_feed(h, t->input + at,
				  t->input_len - at < piece ? t->input_len - at : piece);
		compare(t, h, t->expected_len, "pieces of", piece);
		free(h);
	}

	h = host_for(t);
	h->in_cap = h->c.line;
	host_feed(h, t->input, t->input_len);
	compare(t, h, t->expected_len, "buffer of", h->c.line);
	free(h);
}

static void every_transcript_comes_out_the_same_however_it_is_cut(void **state)
{
	size_t count = 0;
	glob_t files;

	(void)state;
	assert_int_equal(glob(TRANSCRIPTS, 0, NULL, &files), 0);
	for (; count < files.gl_pathc; count++) {
		struct transcript *t = transcript_read(files.gl_pathv[count]);

		replay(t);
		free(t);
	}
	globfree(&files);
	assert_true(count >= FEWEST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_transcript_comes_out_the_same_however_it_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
