// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/header.h"
#include "selftests/unit/random.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\xc0\x00\x02\x07\xc0\x00\x02\x19\x9c\x40\x00\x19" /* 192.0.2.7:40000, 192.0.2.25:25 */
#define CRC "\x03\x00\x04"
#define EIGHTEEN "/run/a.socket\0\0\0\0\0"
#define UNIX                                                                                       \
	EIGHTEEN EIGHTEEN EIGHTEEN EIGHTEEN EIGHTEEN EIGHTEEN EIGHTEEN EIGHTEEN EIGHTEEN EIGHTEEN  \
		EIGHTEEN EIGHTEEN
#define V6                                                                                         \
	"\x20\x01\x0d\xb8\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07"                         \
	"\x20\x01\x0d\xb8\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x25\x9c\x40\x00\x19"

struct row {
	const char *bytes;
	size_t len;
	enum proxy_result result;
	const char *client;
};

#define ROW(text, result, client)                                                                  \
	{                                                                                          \
		text, sizeof(text) - 1, result, client                                             \
	}

static const struct row rows[] = {
	/* Version 1. */
	ROW("PROXY TCP4 192.0.2.7 192.0.2.25 40000 25\r\n", PROXY_CLIENT, "192.0.2.7:40000"),
	ROW("PROXY TCP4 223.255.255.255 255.255.255.255 65535 65535\r\n", PROXY_CLIENT,
	    "223.255.255.255:65535"),
	ROW("PROXY TCP6 2001:db8:1::7 2001:db8:1::25 40000 25\r\n", PROXY_CLIENT,
	    "[2001:db8:1::7]:40000"),
	ROW("PROXY TCP6 feff:ffff:ffff:ffff:ffff:ffff:ffff:fffe "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
	    PROXY_CLIENT, "[feff:ffff:ffff:ffff:ffff:ffff:ffff:fffe]:65535"),
	ROW("PROXY UNKNOWN\r\n", PROXY_LOCAL, NULL),
	ROW("PROXY UNKNOWN whatever stands here 1 2\r\n", PROXY_LOCAL, NULL),
	ROW("PROXY TCP4 192.0.2.7 192.0.2.25 40000 25", PROXY_MORE, NULL),
	ROW("PROXY TCP4 192.0.2.7 192.0.2.25 40000 25\r", PROXY_MORE, NULL),
	ROW("PROXY ", PROXY_MORE, NULL),
	ROW("PROXY TCP4 192.0.2.7 192.0.2.25 40000 25\n", PROXY_BAD, NULL),
	ROW("PROXY TCP4 192.0.2.7 192.0.2.25 40000 25\r\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP4 192.0.2.7 192.0.2.25 40000\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP4 192.0.2.7 192.0.2.25 40000 25 26\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP4 192.0.2.7 192.0.2.25 40000 25 \r\n", PROXY_BAD, NULL),
	ROW("PROXY  TCP4 192.0.2.7 192.0.2.25 40000 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP4  192.0.2.7 192.0.2.25 40000 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY\tTCP4 192.0.2.7 192.0.2.25 40000 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP4 2001:db8::1 192.0.2.25 40000 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP6 192.0.2.7 2001:db8::25 40000 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP4 192.0.2.7 2001:db8::25 40000 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP4 192.0.2.256 192.0.2.25 40000 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP4 192.0.2.7/32 192.0.2.25 40000 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP4 0.0.0.0 192.0.2.25 40000 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP6 :: 2001:db8::25 40000 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP4 192.0.2.7 192.0.2.25 65536 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP4 192.0.2.7 192.0.2.25 -1 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP4 192.0.2.7 192.0.2.25 0x19 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP4 192.0.2.7 192.0.2.25 040 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP4 192.0.2.7 192.0.2.25 400000 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP4 192.0.2.7 192.0.2.25 40000 99999\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP4 192.0.2\0.7 192.0.2.25 40000 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP5 192.0.2.7 192.0.2.25 40000 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY UDP4 192.0.2.7 192.0.2.25 40000 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY tcp4 192.0.2.7 192.0.2.25 40000 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY \r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP4\r\n", PROXY_BAD, NULL),
	ROW("proxy TCP4 192.0.2.7 192.0.2.25 40000 25\r\n", PROXY_BAD, NULL),
	ROW(" PROXY TCP4 192.0.2.7 192.0.2.25 40000 25\r\n", PROXY_BAD, NULL),
	ROW("EHLO client.example.org\r\n", PROXY_BAD, NULL),
	ROW("\x16\x03\x01", PROXY_BAD, NULL),
	/* Whom no connection can come from, and the balancer's own loopback. */
	ROW("PROXY TCP4 0.1.2.3 192.0.2.25 40000 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP4 1.0.0.0 192.0.2.25 40000 25\r\n", PROXY_CLIENT, "1.0.0.0:40000"),
	ROW("PROXY TCP4 126.255.255.255 192.0.2.25 4 25\r\n", PROXY_CLIENT, "126.255.255.255:4"),
	ROW("PROXY TCP4 127.0.0.1 192.0.2.25 40000 25\r\n", PROXY_LOCAL, NULL),
	ROW("PROXY TCP4 127.255.255.255 192.0.2.25 40000 25\r\n", PROXY_LOCAL, NULL),
	ROW("PROXY TCP4 128.0.0.0 192.0.2.25 40000 25\r\n", PROXY_CLIENT, "128.0.0.0:40000"),
	ROW("PROXY TCP4 224.0.0.0 192.0.2.25 40000 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP4 239.255.255.255 192.0.2.25 40000 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP4 240.0.0.1 192.0.2.25 40000 25\r\n", PROXY_CLIENT, "240.0.0.1:40000"),
	ROW("PROXY TCP4 255.255.255.255 192.0.2.25 40000 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP6 ::1 2001:db8::25 40000 25\r\n", PROXY_LOCAL, NULL),
	ROW("PROXY TCP6 ::ffff:127.0.0.1 2001:db8::25 40000 25\r\n", PROXY_LOCAL, NULL),
	ROW("PROXY TCP6 ::ffff:224.0.0.1 2001:db8::25 40000 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP6 ff02::1 2001:db8::25 40000 25\r\n", PROXY_BAD, NULL),
	ROW("PROXY TCP6 feff::1 2001:db8::25 40000 25\r\n", PROXY_CLIENT, "[feff::1]:40000"),
	ROW(SIGNATURE "\x21\x11\x00\x0c\x7f\x00\x00\x01\xc0\x00\x02\x19\x9c\x40\x00\x19",
	    PROXY_LOCAL, NULL),
	ROW(SIGNATURE "\x21\x11\x00\x0c\xe0\x00\x00\x01\xc0\x00\x02\x19\x9c\x40\x00\x19", PROXY_BAD,
	    NULL),
	/* Version 2. */
	ROW(SIGNATURE "\x21\x11\x00\x0c" V4, PROXY_CLIENT, "192.0.2.7:40000"),
	ROW(SIGNATURE "\x21\x21\x00\x24" V6, PROXY_CLIENT, "[2001:db8:1::7]:40000"),
	/* Further values behind the addresses. */
	ROW(SIGNATURE "\x21\x11\x00\x11" V4 "\x05\x00\x02id", PROXY_CLIENT, "192.0.2.7:40000"),
	ROW(SIGNATURE "\x21\x11\x00\x0f" V4 "\x04\x00\x00", PROXY_CLIENT, "192.0.2.7:40000"),
	ROW(SIGNATURE "\x21\x11\x00\x13" V4 CRC "\x07\x6a\xe9\x30", PROXY_CLIENT,
	    "192.0.2.7:40000"),
	ROW(SIGNATURE "\x21\x11\x00\x13" V4 CRC "\x01\x02\x03\x04", PROXY_BAD, NULL),
	ROW(SIGNATURE "\x21\x11\x00\x12" V4 "\x03\x00\x03\x00\x00\x00", PROXY_BAD, NULL),
	ROW(SIGNATURE "\x21\x11\x00\x0d" V4 "\x04", PROXY_BAD, NULL), /* cut */
	ROW(SIGNATURE "\x21\x11\x00\x0e" V4 "\x04\x00", PROXY_BAD, NULL),
	ROW(SIGNATURE "\x21\x11\x00\x0f" V4 "\x04\x00\x01", PROXY_BAD, NULL),
	ROW(SIGNATURE "\x21\x11\x00\x0f" V4 "\x04\xff\xff", PROXY_BAD, NULL),
	ROW(SIGNATURE "\x21\x11\x00\x13" V4 "\x20\x00\x04\x00\x00\x00\x00", PROXY_BAD, NULL),
	ROW(SIGNATURE "\x21\x00\x00\x03\x04\x00\x00", PROXY_LOCAL, NULL),
	ROW(SIGNATURE "\x21\x00\x00\x03\x04\x00\x01", PROXY_BAD, NULL),
	ROW(SIGNATURE "\x20\x11\x00\x0c" V4, PROXY_LOCAL, NULL),
	ROW(SIGNATURE "\x20\x00\x00\x00", PROXY_LOCAL, NULL),
	ROW(SIGNATURE "\x20\xff\x00\x02zz", PROXY_LOCAL, NULL),
	ROW(SIGNATURE "\x21\x00\x00\x00", PROXY_LOCAL, NULL),
	ROW(SIGNATURE, PROXY_MORE, NULL),
	ROW(SIGNATURE "\x21\x11\x00", PROXY_MORE, NULL),
	ROW(SIGNATURE "\x21\x11\x00\x0c\xc0", PROXY_MORE, NULL),
	ROW(SIGNATURE "\x11\x11\x00\x0c" V4, PROXY_BAD, NULL), /* version */
	ROW(SIGNATURE "\x31\x11\x00\x0c" V4, PROXY_BAD, NULL),
	ROW(SIGNATURE "\x22\x11\x00\x0c" V4, PROXY_BAD, NULL), /* command */
	ROW(SIGNATURE "\x2f\x11\x00\x0c" V4, PROXY_BAD, NULL),
	ROW(SIGNATURE "\x21\x12\x00\x0c" V4, PROXY_LOCAL, NULL), /* UDP */
	ROW(SIGNATURE "\x21\x22\x00\x24" V6, PROXY_LOCAL, NULL),
	ROW(SIGNATURE "\x21\x12\x00\x0b" V4, PROXY_BAD, NULL),
	ROW(SIGNATURE "\x21\x22\x00\x0c" V4, PROXY_BAD, NULL),
	ROW(SIGNATURE "\x21\x12\x00\x0f" V4 "\x04\xff\xff", PROXY_BAD, NULL),
	ROW(SIGNATURE "\x21\x31\x00\xd8" UNIX, PROXY_LOCAL, NULL),
	ROW(SIGNATURE "\x21\x32\x00\xd8" UNIX, PROXY_LOCAL, NULL),
	ROW(SIGNATURE "\x21\x33\x00\xd8" UNIX, PROXY_BAD, NULL),
	ROW(SIGNATURE "\x21\x31\x00\x0c" V4, PROXY_BAD, NULL), /* UNIX */
	ROW(SIGNATURE "\x21\x10\x00\x0c" V4, PROXY_BAD, NULL),
	ROW(SIGNATURE "\x21\x01\x00\x0c" V4, PROXY_BAD, NULL),
	ROW(SIGNATURE "\x21\x11\x00\x0b" V4, PROXY_BAD, NULL), /* too short for its family */
	ROW(SIGNATURE "\x21\x21\x00\x0c" V4, PROXY_BAD, NULL),
	ROW(SIGNATURE "\x21\x11\x00\x00", PROXY_BAD, NULL),
	ROW(SIGNATURE "\x21\x11\xff\xff", PROXY_MORE, NULL),
	ROW(SIGNATURE "\x21\x11\x00\x0c\0\0\0\0\xc0\x00\x02\x19\x9c\x40\x00\x19", PROXY_BAD, NULL),
	ROW("\r\n\r\n\0\r\nQUIT\r\x21\x11\x00\x0c" V4, PROXY_BAD, NULL),
	ROW("\r\n\r\n\r\n", PROXY_BAD, NULL),
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* Exactly these bytes, so that the address sanitizer sees a read beyond them. */
static enum proxy_result read_exactly(const char *bytes, size_t len, struct endpoint *client,
				      size_t *used)
{
	char *exact = malloc(len ? len : 1);
	struct endpoint here;
	enum proxy_result result;

	memcpy(exact, bytes, len);
	result = proxy_header(exact, len, client, &here, used);
	free(exact);
	return result;
}

static void every_header(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		struct endpoint client = {0};
		char text[ENDPOINT_TEXT];
		size_t used = 12345;
		enum proxy_result r = read_exactly(rows[i].bytes, rows[i].len, &client, &used);

		if (r != rows[i].result)
			fail_msg("row %zu \"%.60s\": %d", i, rows[i].bytes, r);
		if (rows[i].client)
			assert_string_equal(endpoint_text(&client, text), rows[i].client);
		else
			assert_true(client.port == 0 && addr_is_any(&client.addr));
		if (r == PROXY_CLIENT || r == PROXY_LOCAL)
			assert_int_equal(used, rows[i].len);
		else
			assert_int_equal(used, 12345);
	}
}

/* Where the client came to, as far as that can be. */
static void where_the_client_came_to(void **state)
{
	static const char v2[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
				 "\xc0\0\2\7\xc6\x12\0\1\x9c\x40\0\x1a";
	static const struct {
		const char *bytes;
		size_t len;
		const char *here; /* NULL: nowhere */
	} named[] = {
		{v2, sizeof(v2) - 1, "198.18.0.1:26"},
#define LINE(text, here) {"PROXY " text "\r\n", sizeof("PROXY " text "\r\n") - 1, here}
		LINE("TCP4 192.0.2.7 198.18.0.1 40000 26", "198.18.0.1:26"),
		LINE("TCP6 2001:db8:1::7 2001:db8:1::25 40000 587", "[2001:db8:1::25]:587"),
		LINE("TCP4 192.0.2.7 127.0.0.1 40000 25", "127.0.0.1:25"),
		LINE("TCP4 192.0.2.7 192.0.2.25 40000 0", NULL),
		LINE("TCP4 192.0.2.7 0.0.0.0 40000 25", NULL),
		LINE("TCP4 192.0.2.7 224.0.0.1 40000 25", NULL),
		LINE("TCP4 192.0.2.7 255.255.255.255 40000 25", NULL),
		LINE("TCP6 2001:db8:1::7 :: 40000 25", NULL),
		LINE("TCP6 2001:db8:1::7 ff02::1 40000 25", NULL),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		struct endpoint client, here = {.port = 1};
		char text[ENDPOINT_TEXT];
		size_t used;

		assert_int_equal(proxy_header(named[i].bytes, named[i].len, &client, &here, &used),
				 PROXY_CLIENT);
		if (named[i].here)
			assert_string_equal(endpoint_text(&here, text), named[i].here);
		else
			assert_int_equal(here.port, 0);
	}
}

/* A part of a header is never taken for another header, and what follows is not read. */
static void the_answer_does_not_depend_on_the_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		struct endpoint client;
		char more[1000];
		size_t used;

		if (rows[i].result == PROXY_BAD) {
			/* Refused at some byte, and from there on. */
			bool refused = false;

			assert_true(strlen(proxy_fault(rows[i].bytes, rows[i].len)) > 30);
			for (size_t cut = 0; cut <= rows[i].len; cut++) {
				enum proxy_result r =
					read_exactly(rows[i].bytes, cut, &client, &used);

				assert_true(r == PROXY_BAD || (r == PROXY_MORE && !refused));
				refused |= r == PROXY_BAD;
			}
			continue;
		}
		for (size_t cut = 0; cut < rows[i].len; cut++)
			assert_int_equal(read_exactly(rows[i].bytes, cut, &client, &used),
					 PROXY_MORE);
		if (rows[i].result == PROXY_MORE)
			continue;
		memcpy(more, rows[i].bytes, rows[i].len);
		memcpy(more + rows[i].len, "EHLO x\r\n", 8);
		assert_int_equal(read_exactly(more, rows[i].len + 8, &client, &used),
				 rows[i].result);
		assert_int_equal(used, rows[i].len);
	}
}

/* 107 bytes are the longest line, and no more are waited for. */
static void a_line_without_end(void **state)
{
	char line[200];
	struct endpoint client;
	size_t used;

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "PROXY UNKNOWN ", 14);
	assert_int_equal(read_exactly(line, 106, &client, &used), PROXY_MORE);
	assert_int_equal(read_exactly(line, 107, &client, &used), PROXY_BAD);
	memcpy(line + 105, "\r\n", 2);
	assert_int_equal(read_exactly(line, 107, &client, &used), PROXY_LOCAL);
	assert_int_equal(used, 107);
	memset(line + 105, 'x', 1);
	memcpy(line + 106, "\r\n", 2);
	assert_int_equal(read_exactly(line, 108, &client, &used), PROXY_BAD);
}

/* Values behind the addresses up to what the length field can say; a checksum covers all of it. */
static void the_longest_header(void **state)
{
	static const char begin[] = SIGNATURE "\x21\x11\xff\xff" V4;
	const size_t at = sizeof(begin) - 1, value = PROXY_HEADER - at - 3;
	char *h = calloc(1, PROXY_HEADER), text[ENDPOINT_TEXT];
	struct endpoint client;
	size_t used = 0;

	(void)state;
	memcpy(h, begin, at);
	h[at] = 4;
	h[at + 1] = (char)(value >> 8);
	h[at + 2] = (char)value;
	assert_int_equal(read_exactly(h, PROXY_HEADER - 1, &client, &used), PROXY_MORE);
	assert_int_equal(read_exactly(h, PROXY_HEADER, &client, &used), PROXY_CLIENT);
	assert_int_equal(used, PROXY_HEADER);
	assert_string_equal(endpoint_text(&client, text), "192.0.2.7:40000");
	h[at + 2]++;
	assert_int_equal(read_exactly(h, PROXY_HEADER, &client, &used), PROXY_BAD);
	free(h);
}

/* A flipped bit anywhere in a header with a checksum; two checksums. */
static void a_checksum_covers_every_bit(void **state)
{
	static const char good[] = SIGNATURE "\x21\x11\x00\x13" V4 CRC "\x07\x6a\xe9\x30";
	struct endpoint client;
	char copy[sizeof(good)];
	size_t used;

	(void)state;
	for (size_t bit = 16 * 8; bit < (sizeof(good) - 1) * 8; bit++) {
		memcpy(copy, good, sizeof(good));
		copy[bit / 8] ^= (char)(1 << bit % 8);
		/* A type that is another one takes the checksum's value as its own. */
		if (bit / 8 != 28)
			assert_int_equal(read_exactly(copy, sizeof(good) - 1, &client, &used),
					 PROXY_BAD);
	}
}

/* A changed byte gives another good header, more to wait for, or a refusal; never a read beyond. */
static void damaged_headers(void **state)
{
	uint64_t random = 88172645463325252ull;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		const struct row *r = &rows[random_below(&random, ROWS)];
		struct endpoint client;
		char copy[1000];
		size_t used = 0;
		enum proxy_result result;

		memcpy(copy, r->bytes, r->len);
		copy[random_below(&random, (uint32_t)r->len)] = (char)random_next(&random);
		result = read_exactly(copy, r->len, &client, &used);
		assert_true(used <= r->len);
		assert_true(used > 0 || result == PROXY_MORE || result == PROXY_BAD);
	}
}

/* What is written is what is read, byte for byte. */
static void what_we_say(void **state)
{
	static const struct {
		const char *client, *here, *bytes;
		size_t len;
	} said[] = {
		{"192.0.2.7:40000", "192.0.2.25:25", SIGNATURE "\x21\x11\x00\x0c" V4, 28},
		{"[2001:db8:1::7]:40000", "[2001:db8:1::25]:25", SIGNATURE "\x21\x21\x00\x24" V6,
		 52},
		{"192.0.2.7:40000", "[2001:db8:1::25]:25", NULL, 52},
		{"[2001:db8:1::7]:65535", "255.255.255.255:65535", NULL, 52},
		{"223.255.255.255:1", "0.0.0.0:25", NULL, 28},
	};
	struct endpoint client, here, again;
	char buf[PROXY_SAID];
	size_t len, used;

	(void)state;
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		assert_int_equal(endpoint_parse(said[i].client, &client), 0);
		assert_int_equal(endpoint_parse(said[i].here, &here), 0);
		len = proxy_say(&client, &here, buf);
		assert_int_equal(len, said[i].len);
		if (said[i].bytes)
			assert_memory_equal(buf, said[i].bytes, len);
		assert_int_equal(read_exactly(buf, len, &again, &used), PROXY_CLIENT);
		assert_int_equal(used, len);
		assert_true(addr_eq(&again.addr, &client.addr) && again.port == client.port);
	}
	len = proxy_say(NULL, NULL, buf);
	assert_int_equal(len, 16);
	assert_memory_equal(buf, SIGNATURE "\x20\x00\x00\x00", len);
	assert_int_equal(read_exactly(buf, len, &again, &used), PROXY_LOCAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_header),
		cmocka_unit_test(where_the_client_came_to),
		cmocka_unit_test(the_answer_does_not_depend_on_the_cut),
		cmocka_unit_test(a_line_without_end),
		cmocka_unit_test(the_longest_header),
		cmocka_unit_test(a_checksum_covers_every_bit),
		cmocka_unit_test(damaged_headers),
		cmocka_unit_test(what_we_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
