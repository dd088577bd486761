// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/log.h"
#include "selftests/unit/random.h"

/* ---- what was written, read back ---- */

static int file;

static void begin(enum log_format format)
{
	file = memfd_create("log", MFD_CLOEXEC);
	assert_true(file >= 0);
	assert_int_equal(log_start(file, format), 0);
}

/* Everything logged since begin(); the caller frees it. */
static char *end(void)
{
	struct stat st;
	char *text;

	log_stop();
	assert_int_equal(fstat(file, &st), 0);
	text = calloc(1, (size_t)st.st_size + 1);
	assert_non_null(text);
	assert_int_equal(pread(file, text, (size_t)st.st_size, 0), st.st_size);
	close(file);
	return text;
}

static json_t *parsed(const char *line, size_t n)
{
	json_error_t err;
	json_t *o = json_loadb(line, n, JSON_REJECT_DUPLICATES, &err);

	if (!o)
		fail_msg("%s: %.*s", err.text, (int)n, line);
	return o;
}

/* The only line of the log. */
static json_t *end_json(void)
{
	char *text = end();
	size_t n = strlen(text);
	json_t *o;

	assert_true(n > 0 && text[n - 1] == '\n');
	assert_ptr_equal(strchr(text, '\n'), text + n - 1);
	o = parsed(text, n);
	free(text);
	return o;
}

static const char *word(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* Value of "k" after a trip through a JSON line. */
static void value_comes_out(const char *in, size_t n, const char *out)
{
	struct log_line l;
	json_t *o;

	begin(LOG_JSON);
	log_begin(&l, LOG_ERROR);
	log_strn(&l, "k", in, n);
	log_end(&l);
	o = end_json();
	assert_string_equal(word(o, "k"), out);
	json_decref(o);
}

static void decision(uint64_t n)
{
	struct log_line l;
	struct addr a;

	addr_parse("192.0.2.1", &a);
	log_begin(&l, LOG_DECISION);
	log_hex(&l, "session", n);
	log_addr(&l, "src", &a);
	log_int(&l, "port", 40000);
	log_str(&l, "helo", "mail.example.org");
	log_str(&l, "from", "a@example.org");
	log_str(&l, "to", "b@example.net");
	log_int(&l, "n", (int64_t)n);
	log_end(&l);
}

/* ---- one line ---- */

static void a_line_has_the_promised_keys_first(void **state)
{
	int year, month, day, hour, minute, second, us, used = 0;
	struct log_line l;
	struct addr a;
	char *text;
	json_t *o;

	(void)state;
	addr_parse("2001:db8::1", &a);
	begin(LOG_JSON);
	log_begin(&l, LOG_DECISION);
	log_addr(&l, "src", &a);
	log_int(&l, "low", INT64_MIN);
	log_int(&l, "high", INT64_MAX);
	log_int(&l, "zero", 0);
	log_hex(&l, "session", 0xabc);
	log_bool(&l, "tls", true);
	log_bool(&l, "late", false);
	log_str(&l, "absent", NULL);
	log_str(&l, "empty", "");
	log_end(&l);
	text = end();
	assert_int_equal(sscanf(text, "{\"ts\":\"%4d-%2d-%2dT%2d:%2d:%2d.%6dZ\",\"event\":%n",
				&year, &month, &day, &hour, &minute, &second, &us, &used),
			 7);
	assert_int_equal(used, strlen("{\"ts\":\"2026-11-21T17:00:00.123456Z\",\"event\":"));
	assert_true(year >= 2024 && month >= 1 && month <= 12 && day >= 1 && day <= 31);
	assert_true(hour <= 23 && minute <= 59 && second <= 60);
	assert_string_equal(
		text + used,
		"\"decision\",\"src\":\"2001:db8::1\",\"low\":-9223372036854775808,"
		"\"high\":9223372036854775807,\"zero\":0,\"session\":\"0000000000000abc\","
		"\"tls\":true,\"late\":false,\"empty\":\"\"}\n");
	o = parsed(text, strlen(text));
	json_decref(o);
	free(text);
}

static void every_event_has_its_word(void **state)
{
	static const char *const words[] = {
		"connect", "decision", "relay", "promote", "demote", "trap", "limit",
		"list",    "store",    "dns",   "reload",  "start",  "stop", "error",
	};

	(void)state;
	assert_int_equal(sizeof(words) / sizeof(words[0]), LOG_EVENT_MAX);
	for (int i = 0; i < LOG_EVENT_MAX; i++) {
		json_t *o;

		begin(LOG_JSON);
		log_message((enum log_event)i, "n %d", i);
		o = end_json();
		assert_string_equal(word(o, "event"), words[i]);
		assert_int_equal(strtol(word(o, "message") + 2, NULL, 10), i);
		json_decref(o);
	}
}

static void text_quotes_only_where_it_must(void **state)
{
	struct log_line l;
	struct addr a;
	char *text;

	(void)state;
	addr_parse("192.0.2.1", &a);
	begin(LOG_TEXT);
	log_begin(&l, LOG_TRAP);
	log_addr(&l, "src", &a);
	log_str(&l, "plain", "a@example.net");
	log_str(&l, "space", "a b");
	log_str(&l, "quote", "a\"b");
	log_str(&l, "equals", "a=b");
	log_str(&l, "backslash", "a\\b");
	log_str(&l, "newline", "a\nb");
	log_str(&l, "empty", "");
	log_str(&l, "utf8", "\xc3\xa9");
	log_int(&l, "n", -5);
	log_hex(&l, "h", 1);
	log_bool(&l, "b", false);
	log_end(&l);
	text = end();
	assert_int_equal(strcspn(text, " "), strlen("2026-11-21T17:00:00.123456Z"));
	assert_string_equal(strchr(text, ' '),
			    " trap src=192.0.2.1 plain=a@example.net space=\"a b\" "
			    "quote=\"a\\\"b\" equals=\"a=b\" backslash=\"a\\\\b\" "
			    "newline=\"a\\nb\" empty=\"\" utf8=\"\xc3\xa9\" n=-5 "
			    "h=0000000000000001 b=false\n");
	free(text);
}

static void values_are_escaped(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"plain", "plain"},
		{"\"\\/", "\"\\/"},
		{"\b\f\n\r\t", "\b\f\n\r\t"},
		{"\x01\x1f\x7f\x0b", "\x01\x1f\x7f\x0b"},
		{"\xc3\xa9", "\xc3\xa9"},
		{"\xe2\x82\xac", "\xe2\x82\xac"},
		{"\xf0\x9f\x93\xae", "\xf0\x9f\x93\xae"},
		{"\xc2\x9b", "\xc2\x9b"},
		{"\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80"},
		{"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
		/* What is no UTF-8 becomes U+FFFD, one for each byte. */
		{"a\xff"
		 "b",
		 "a\xef\xbf\xbd"
		 "b"},
		{"\xc3", "\xef\xbf\xbd"},
		{"\xc3(", "\xef\xbf\xbd("},
		{"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xc1\xbf", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xe0\x80\xaf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xf0\x80\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xf5\x80\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\x80", "\xef\xbf\xbd"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		value_comes_out(rows[i].in, strlen(rows[i].in), rows[i].out);
	/* NUL too is a byte of a value with a length. */
	for (int c = 0; c < 0x80; c++) {
		char in[3] = {'<', (char)c, '>'};
		struct log_line l;
		json_t *o;

		begin(LOG_JSON);
		log_begin(&l, LOG_ERROR);
		log_strn(&l, "k", in, 3);
		log_end(&l);
		assert_null(memchr(l.text, '\0', l.len));
		assert_null(memchr(l.text, '\n', l.len - 1));
		if (c) {
			o = end_json();
			assert_int_equal(json_string_length(json_object_get(o, "k")), 3);
			assert_memory_equal(word(o, "k"), in, 3);
			json_decref(o);
		} else {
			free(end());
			l.text[l.len] = '\0';
			assert_non_null(strstr(l.text, "\"<\\u0000>\""));
		}
	}
}

static void terminals_get_no_control_characters(void **state)
{
	struct log_line l;

	(void)state;
	begin(LOG_TEXT);
	log_begin(&l, LOG_ERROR);
	log_str(&l, "k",
		"\x1b[31m\xc2\x9b"
		"31m\x7f\r");
	log_end(&l);
	free(end());
	l.text[l.len] = '\0';
	assert_non_null(strstr(l.text, " k=\"\\u001b[31m\\u009b31m\\u007f\\r\"\n"));
}

static void long_values_are_cut_at_a_character(void **state)
{
	char in[700], out[700];

	(void)state;
	memset(in, 'x', sizeof(in));
	memset(out, 'x', sizeof(out));
	out[512] = '\0';
	value_comes_out(in, 512, out);
	memcpy(out + 512, "...", 4);
	value_comes_out(in, 513, out);
	/* The character that begins at byte 511 stays whole. */
	memcpy(in + 511, "\xf0\x9f\x93\xae", 4);
	memcpy(out + 511, "\xf0\x9f\x93\xae", 4);
	memcpy(out + 515, "...", 4);
	value_comes_out(in, 600, out);
	out[515] = '\0';
	value_comes_out(in, 515, out);
}

static void a_line_that_is_too_long_stays_whole(void **state)
{
	uint64_t rnd = 1;

	(void)state;
	for (int round = 0; round < 300; round++) {
		enum log_format format = round % 2 ? LOG_JSON : LOG_TEXT;
		struct log_line l;
		char *text;
		bool cut;

		begin(format);
		log_begin(&l, LOG_ERROR);
		for (int i = 0; i < 40; i++) {
			char key[16], value[300];
			size_t n = random_below(&rnd, sizeof(value));

			snprintf(key, sizeof(key), "key%d", i);
			for (size_t k = 0; k < n; k++)
				value[k] = (char)(random_below(&rnd, 3) ? 'a' : random_next(&rnd));
			switch (random_below(&rnd, 4)) {
			case 0:
				log_int(&l, key, INT64_MIN);
				break;
			case 1:
				log_hex(&l, key, random_next(&rnd));
				break;
			default:
				log_strn(&l, key, value, n);
			}
			assert_true(l.len < LOG_LINE);
		}
		cut = l.cut;
		log_end(&l);
		assert_true(l.len <= LOG_LINE);
		text = end();
		if (format == LOG_JSON) {
			json_error_t err;
			json_t *o = json_loads(text, JSON_ALLOW_NUL, &err);

			if (!o)
				fail_msg("%s: %s", err.text, text);
			assert_int_equal(json_is_true(json_object_get(o, "cut")), cut);
			json_decref(o);
		}
		assert_int_equal(strlen(text), l.len);
		assert_ptr_equal(strchr(text, '\n'), text + l.len - 1);
		free(text);
	}
}

static void messages_are_formatted_and_cut(void **state)
{
	char big[600];
	json_t *o;

	(void)state;
	memset(big, 'm', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	begin(LOG_JSON);
	log_message(LOG_ERROR, "%s", big);
	o = end_json();
	assert_int_equal(strlen(word(o, "message")), 515);
	json_decref(o);
}

/* ---- the way out ---- */

static void the_log_is_started_once_and_sinks_need_it(void **state)
{
	(void)state;
	log_stop();
	assert_int_equal(log_sink(1 << 16), -ESRCH);
	begin(LOG_JSON);
	assert_int_equal(log_start(file, LOG_JSON), -EBUSY);
	assert_int_equal(log_sink(1 << 15), -EINVAL);
	assert_int_equal(log_sink((1 << 16) + 1), -EINVAL);
	assert_int_equal(log_sink(1 << 16), 0);
	assert_int_equal(log_sink(1 << 16), -EEXIST);
	free(end());
	begin(LOG_JSON);
	/* The old run's sink is gone; a line finds its way without one and with a new one. */
	decision(1);
	assert_int_equal(log_sink(1 << 16), 0);
	decision(2);
	free(end());
}

static void without_a_log_thread_lines_go_to_standard_error(void **state)
{
	int saved = dup(STDERR_FILENO), p[2];
	char text[LOG_LINE] = "";
	json_t *o;

	(void)state;
	assert_int_equal(pipe(p), 0);
	dup2(p[1], STDERR_FILENO);
	log_set_format(LOG_JSON);
	log_message(LOG_START, "early");
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(p[1]);
	assert_true(read(p[0], text, sizeof(text)) > 0);
	close(p[0]);
	o = parsed(text, strlen(text));
	assert_string_equal(word(o, "message"), "early");
	json_decref(o);
}

#define THREADS 4
#define LINES 8000

struct writers {
	_Atomic int number;
	bool sinks;
};

static void *write_many(void *arg)
{
	struct writers *w = arg;
	uint64_t me = (uint64_t)atomic_fetch_add(&w->number, 1);

	if (w->sinks)
		log_sink(1 << 16);
	for (uint64_t i = 0; i < LINES; i++)
		decision(me * LINES + i);
	return NULL;
}

struct reader {
	int fd;
	bool slow;
	uint64_t lines, lost, reports;
	int64_t last[THREADS];
	bool broken, disordered;
};

static void read_line(struct reader *r, const char *line, size_t n)
{
	json_t *o = json_loadb(line, n, 0, NULL);
	int64_t i;

	if (!o) {
		r->broken = true;
		return;
	}
	if (strcmp(word(o, "event"), "limit") == 0) {
		r->lost += (uint64_t)json_integer_value(json_object_get(o, "lost"));
		r->reports++;
		json_decref(o);
		return;
	}
	i = json_integer_value(json_object_get(o, "n"));
	if (i < 0 || i >= THREADS * LINES || i <= r->last[i / LINES])
		r->disordered = true;
	else
		r->last[i / LINES] = i;
	r->lines++;
	json_decref(o);
}

/* Reads to the end of the pipe in odd pieces. */
static void *read_all(void *arg)
{
	struct reader *r = arg;
	static char buf[2 * LOG_LINE];
	size_t have = 0;
	uint64_t rnd = 5;

	for (;;) {
		size_t want = 1 + random_below(&rnd, LOG_LINE);
		ssize_t n = read(r->fd, buf + have, want);
		char *nl;

		if (n <= 0)
			break;
		have += (size_t)n;
		while ((nl = memchr(buf, '\n', have))) {
			size_t len = (size_t)(nl + 1 - buf);

			read_line(r, buf, len);
			memmove(buf, nl + 1, have - len);
			have -= len;
		}
		if (have > LOG_LINE)
			have = 0, r->broken = true;
		if (r->slow)
			usleep(50);
	}
	r->broken |= have != 0;
	return NULL;
}

static void run_writers(int fd[2], bool sinks, bool slow, struct reader *r)
{
	struct writers w = {.sinks = sinks};
	pthread_t thread[THREADS], reader;
	uint64_t dropped = log_dropped();

	*r = (struct reader){.fd = fd[0], .slow = slow, .last = {-1, -1, -1, -1}};
	assert_int_equal(log_start(fd[1], LOG_JSON), 0);
	assert_int_equal(pthread_create(&reader, NULL, read_all, r), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, write_many, &w), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	log_stop();
	close(fd[1]);
	pthread_join(reader, NULL);
	close(fd[0]);
	assert_false(r->broken);
	assert_false(r->disordered);
	dropped = log_dropped() - dropped;
	assert_int_equal(r->lines + dropped, THREADS * LINES);
	assert_true(r->lost <= dropped);
}

static void lines_of_many_threads_never_mix(void **state)
{
	struct reader r;
	int p[2];

	(void)state;
	for (int sinks = 0; sinks < 2; sinks++)
		for (int nonblock = 0; nonblock < 2; nonblock++) {
			assert_int_equal(pipe2(p, O_CLOEXEC), 0);
			if (nonblock)
				fcntl(p[1], F_SETFL, O_NONBLOCK);
			run_writers(p, sinks, false, &r);
			assert_true(sinks || r.lost == 0);
		}
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
	run_writers(p, true, false, &r);
}

static void a_slow_reader_costs_lines_that_are_counted(void **state)
{
	struct reader r;
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	fcntl(p[1], F_SETPIPE_SZ, 4096);
	run_writers(p, true, true, &r);
	/* 4 sinks of 64 KiB hold a fraction of these lines, and the reader takes its time. */
	assert_true(r.lost > 0 && r.reports > 0);
}

static void a_reader_that_went_away_does_no_harm(void **state)
{
	uint64_t before = log_dropped();
	int p[2];

	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		if (kind == 0)
			assert_int_equal(pipe2(p, O_CLOEXEC), 0);
		else
			assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
		close(p[0]);
		assert_int_equal(log_start(p[1], LOG_JSON), 0);
		assert_int_equal(log_sink(1 << 16), 0);
		for (uint64_t i = 0; i < 100; i++)
			decision(i);
		log_stop();
		close(p[1]);
	}
	assert_int_equal(log_dropped() - before, 200);
}

static void a_reader_that_sleeps_does_not_stop_log_stop(void **state)
{
	uint64_t before = log_dropped();
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(log_start(p[1], LOG_JSON), 0);
	assert_int_equal(log_sink(1 << 20), 0);
	for (uint64_t i = 0; i < 3000; i++)
		decision(i);
	log_stop();
	assert_true(log_dropped() > before);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_the_promised_keys_first),
		cmocka_unit_test(every_event_has_its_word),
		cmocka_unit_test(text_quotes_only_where_it_must),
		cmocka_unit_test(values_are_escaped),
		cmocka_unit_test(terminals_get_no_control_characters),
		cmocka_unit_test(long_values_are_cut_at_a_character),
		cmocka_unit_test(a_line_that_is_too_long_stays_whole),
		cmocka_unit_test(messages_are_formatted_and_cut),
		cmocka_unit_test(the_log_is_started_once_and_sinks_need_it),
		cmocka_unit_test(without_a_log_thread_lines_go_to_standard_error),
		cmocka_unit_test(lines_of_many_threads_never_mix),
		cmocka_unit_test(a_slow_reader_costs_lines_that_are_counted),
		cmocka_unit_test(a_reader_that_went_away_does_no_harm),
		cmocka_unit_test(a_reader_that_sleeps_does_not_stop_log_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
