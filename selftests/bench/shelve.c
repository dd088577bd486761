// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * shelve: a store as the daemon leaves it behind: with grey records of first attempts that came at
 * some rate from some moment on, or with sources that were learned; what they cost on disk.
 *
 * usage: shelve DIR RECORDS FIRST RATE [TURN]
 *        shelve DIR LEARNED
 * TURN: they came for so many seconds, then for as many none did, and so on.
 * Prints one JSON object.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "store/store.h"

#define GROUP 1000
#define DAY 86400u

/* Tags come from a keyed hash: they look like anything. */
static uint64_t tag_of(uint64_t i)
{
	uint64_t x = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);

	x ^= x >> 32;
	return (x * UINT64_C(0xd6e8feb86659fd93)) | 1;
}

/* What is asked for: learned sources where rate is 0. */
struct wish {
	uint64_t records, rate; /* a second */
	uint32_t first, turn;   /* s */
};

/* Every fifth of IPv6; addresses as scattered as those of mail servers are. */
static void make_learned(struct store_item *item, uint64_t i)
{
	const uint64_t spread = tag_of(i);
	uint8_t *addr = item->prefix.addr.b;
	const uint32_t host = (uint32_t)(i + 1) * 2654435761u;

	item->kind = STORE_VERDICT;
	item->entry = (struct verdict_entry){.verdict = GG_ALLOW,
					     .origin = GG_BY_LEARNING,
					     .expires = (uint32_t)time(NULL) + 36 * DAY};
	item->prefix.len = 128;
	item->added = item->entry.expires - 36 * DAY;
	if (i % 5) {
		addr[10] = addr[11] = 0xff;
	} else {
		addr[0] = 0x2a;
		memcpy(addr + 1, &spread, sizeof(spread));
	}
	memcpy(addr + 12, &host, sizeof(host));
	snprintf(item->text, sizeof(item->text), "promoted");
}

static void make_grey(struct store_item *item, uint64_t i, uint32_t first)
{
	char sender[80], recipient[80];

	item->kind = STORE_RECORD;
	item->rec.tag = tag_of(i);
	item->rec.first = item->rec.last = first;
	item->rec.attempts = 1;
	item->rec.state = RECORD_GREY;
	item->rec.delay_class = 2;
	item->rec.rung = 2;
	item->rec.is4 = 1;
	item->prefix.len = 128;
	item->prefix.addr.b[10] = item->prefix.addr.b[11] = 0xff;
	memcpy(item->prefix.addr.b + 12, &item->rec.tag, 4);
	memcpy(item->rec.net, &item->rec.tag, 4);
	snprintf(sender, sizeof(sender), "first.last%lu@sender%lu.example", (unsigned long)i % 1000,
		 (unsigned long)i / 7);
	snprintf(recipient, sizeof(recipient), "user%lu@example.net", (unsigned long)i % 997);
	store_text_pair(item->text, sender, recipient);
}

/* When what came in the n-th second of those in which something came. */
static uint32_t first_of(const struct wish *wish, uint32_t n)
{
	return wish->first + n + (wish->turn ? n / wish->turn * wish->turn : 0);
}

static void make(struct store_item *item, uint64_t i, const struct wish *wish)
{
	memset(item, 0, sizeof(*item));
	if (wish->rate)
		make_grey(item, i, first_of(wish, (uint32_t)(i / wish->rate)));
	else
		make_learned(item, i);
}

static int fill(struct store *s, const struct wish *wish)
{
	static struct store_item items[GROUP];
	const struct store_item *group[GROUP];
	int rc = 0;

	for (uint64_t i = 0; i < wish->records && !rc; i += GROUP) {
		size_t n = wish->records - i < GROUP ? (size_t)(wish->records - i) : GROUP;

		for (size_t k = 0; k < n; k++) {
			make(&items[k], i + k, wish);
			group[k] = &items[k];
		}
		rc = store_ops_of(s)->apply(s, group, n);
	}
	return rc;
}

int main(int argc, char **argv)
{
	struct store_conf conf = {.dir = argc > 1 ? argv[1] : "",
				  .map_bytes = 64 << 20,
				  .max_bytes = (size_t)4 << 30,
				  .window = 30 * DAY,
				  .keep = 36 * DAY};
	const struct wish wish = {
		.records = argc > 2 ? strtoull(argv[2], NULL, 10) : 0,
		.first = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0,
		.rate = argc > 4 ? strtoull(argv[4], NULL, 10) : 0,
		.turn = argc > 5 ? (uint32_t)strtoul(argv[5], NULL, 10) : 0,
	};
	char err[300], path[4200];
	struct store *s = NULL;
	uint8_t key[16];
	struct stat st;
	int rc;

	if (!wish.records || (argc != 3 && (!wish.first || !wish.rate))) {
		fputs("usage: shelve DIR RECORDS FIRST RATE [TURN]\n"
		      "       shelve DIR LEARNED\n",
		      stderr);
		return 2;
	}
	rc = store_open_lmdb(&conf, &s, key, err, sizeof(err));
	if (rc) {
		fprintf(stderr, "shelve: %s\n", err);
		return 1;
	}
	rc = fill(s, &wish);
	store_ops_of(s)->close(&s);
	snprintf(path, sizeof(path), "%s/store", conf.dir);
	if (rc || stat(path, &st)) {
		fprintf(stderr, "shelve: %s\n", rc ? strerror(-rc) : path);
		return 1;
	}
	printf("{\"records\": %lu, \"bytes\": %lu}\n", (unsigned long)wish.records,
	       (unsigned long)st.st_blocks * 512);
	return 0;
}
