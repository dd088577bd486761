// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "selftests/unit/core/logged.h"
#include "selftests/unit/random.h"

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
		"\"empty\":\"\"}\n");
	o = parsed(text, strlen(text));
	json_decref(o);
	free(text);
}

static void every_event_has_its_word(void **state)
{
	static const char *const words[] = {
		"connect", "decision", "relay",   "verify", "promote", "demote",
		"trap",    "limit",    "list",    "store",  "dns",     "reload",
		"start",   "stop",     "upgrade", "kernel", "error",
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
	log_end(&l);
	text = end();
	assert_int_equal(strcspn(text, " "), strlen("2026-11-21T17:00:00.123456Z"));
	assert_string_equal(strchr(text, ' '),
			    " trap src=192.0.2.1 plain=a@example.net space=\"a b\" "
			    "quote=\"a\\\"b\" equals=\"a=b\" backslash=\"a\\\\b\" "
			    "newline=\"a\\nb\" empty=\"\" utf8=\"\xc3\xa9\" n=-5 "
			    "h=0000000000000001\n");
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
