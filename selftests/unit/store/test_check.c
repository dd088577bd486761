// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <lmdb.h>

#include "selftests/unit/random.h"
#include "selftests/unit/store/shelf.h"
#include "store/check.h"
#include "store/codec.h"

#define RECORDS 1500

static char why[160];

static int check_store(void)
{
	int fd = open(shelf_path("store"), O_RDONLY), rc;

	assert_true(fd >= 0);
	rc = check_file(fd, why, sizeof(why));
	close(fd);
	return rc;
}

/* A store with a past: trees of some depth, and a free list. */
static void make_store(void)
{
	static struct store_item items[RECORDS];
	const struct store_item *group[RECORDS];
	struct store *s = shelf_open();

	assert_non_null(s);
	for (int g = 0; g < 3; g++) {
		for (size_t i = 0; i < RECORDS; i++) {
			items[i] = item_record(1 + (enum record_state)(i % 3), i + 1,
					       NOW + (uint32_t)i, "192.0.2.1");
			items[i].del = g == 1 && i % 2;
			group[i] = &items[i];
		}
		assert_int_equal(ops_of(s)->apply(s, group, RECORDS), 0);
	}
	items[0] = item_verdict("192.0.2.0/24", 0);
	assert_int_equal(apply_one(s, &items[0]), 0);
	shelf_close(&s);
}

static size_t read_store(uint8_t **ret)
{
	int fd = open(shelf_path("store"), O_RDONLY);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	*ret = malloc((size_t)st.st_size);
	assert_non_null(*ret);
	assert_int_equal(read(fd, *ret, (size_t)st.st_size), st.st_size);
	close(fd);
	return (size_t)st.st_size;
}

static void write_store(const uint8_t *data, size_t len)
{
	int fd = open(shelf_path("store"), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

/* Opens whatever the file is now, reads all of it and writes to it, in a child: 0 it was taken as
 * it is, 1 it was set aside and works anew; anything else is a failure. */
static int use_store(void *arg)
{
	struct store_item item = item_record(RECORD_PASSED, 987654321, NOW, "192.0.2.1");
	struct store *s = shelf_open();
	struct store_stats st;
	size_t steps;

	(void)arg;
	if (!s)
		return 2;
	load_count(s, NOW);
	if (apply_one(s, &item))
		return 3;
	for (uint64_t i = 0; i < 200; i++) {
		item = item_record(1 + (enum record_state)(i % 3), i * 37 + 1,
				   NOW + (uint32_t)i * 37, "192.0.2.1");
		item.del = i % 5 == 0;
		if (apply_one(s, &item))
			return 3;
	}
	do {
		if (ops_of(s)->expire(s, NOW + 400 * DAY, 500, &steps))
			return 3;
	} while (steps == 500);
	if (ops_of(s)->stats(s, &st))
		return 4;
	if (st.set_aside != (shelf_err[0] != '\0'))
		return 5;
	shelf_close(&s);
	return st.set_aside;
}

static void a_store_in_use_is_sound(void **state)
{
	uint64_t x = 8;
	struct store *s;

	(void)state;
	make_store();
	assert_int_equal(check_store(), 0);
	/* and stays so through every group */
	for (int round = 0; round < 60; round++) {
		s = shelf_open();
		assert_non_null(s);
		assert_string_equal(shelf_err, "");
		for (int i = 0; i < 20; i++) {
			struct store_item item =
				item_record(1 + random_below(&x, 3), 1 + random_below(&x, 200000),
					    NOW + random_below(&x, 50000), "2001:db8::1");

			item.del = random_below(&x, 3) == 0;
			assert_int_equal(apply_one(s, &item), 0);
		}
		shelf_close(&s);
		assert_int_equal(check_store(), 0);
	}
}

static void an_empty_file_is_a_new_store(void **state)
{
	(void)state;
	write_store((const uint8_t *)"", 0);
	assert_int_equal(check_store(), 0);
	assert_int_equal(in_child(use_store, NULL), 0);
}

static void every_truncation_is_noticed(void **state)
{
	uint8_t *data;
	size_t len;
	int rc;

	(void)state;
	make_store();
	len = read_store(&data);
	for (size_t cut = 1; cut < len; cut += cut < 9000 ? 97 : 4096 * 3 + 1) {
		write_store(data, cut);
		rc = check_store();
		/* only free pages may be missing, and those lie at the end */
		assert_true(rc == -EUCLEAN || (rc == 0 && cut > len / 2));
		assert_int_equal(in_child(use_store, NULL), rc != 0);
		assert_int_equal(shelf_names("store.bad-", true), rc != 0);
	}
	free(data);
}

static void garbage_is_set_aside(void **state)
{
	static const size_t sizes[] = {1, 100, 4096, 8192, 100000};
	static uint8_t noise[100000];
	uint64_t x = 9;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (int zero = 0; zero < 2; zero++) {
			for (size_t k = 0; k < sizes[i]; k++)
				noise[k] = zero ? 0 : (uint8_t)random_next(&x);
			write_store(noise, sizes[i]);
			assert_int_equal(in_child(use_store, NULL), 1);
			assert_int_equal(shelf_names("store.bad-", true), 1);
		}
	}
}

/* Damage anywhere in what gives the file its structure is either found, or harmless: nothing that
 * passes the check may crash LMDB. */
static void flipped_bytes_never_crash(void **state)
{
	unsigned int found = 0, harmless = 0;
	uint8_t *data;
	uint64_t x = 10;
	size_t len;

	(void)state;
	make_store();
	len = read_store(&data);
	for (int round = 0; round < 400; round++) {
		size_t page = random_below(&x, (uint32_t)(len / 4096));
		/* mostly headers, pointers and node headers; sometimes anything */
		size_t at = page * 4096 +
			    (round % 4 == 0 ? random_below(&x, 4096) : random_below(&x, 160));
		uint8_t old = data[at];
		int rc;

		data[at] ^= (uint8_t)(1 + random_below(&x, 255));
		write_store(data, len);
		rc = in_child(use_store, NULL);
		if (rc != 0 && rc != 1)
			print_message("byte %zu of page %zu: %u became %u\n", at % 4096, page, old,
				      data[at]);
		assert_in_range(rc, 0, 1);
		found += rc == 1;
		harmless += rc == 0;
		shelf_names("store", true);
		data[at] = old;
	}
	assert_true(found > 50);
	assert_true(harmless > 40);
	free(data);
}

static void a_page_in_the_wrong_place_is_noticed(void **state)
{
	unsigned int noticed = 0;
	uint8_t *data, *copy;
	uint64_t x = 11;
	size_t len;

	(void)state;
	make_store();
	len = read_store(&data);
	copy = malloc(len);
	assert_non_null(copy);
	for (int round = 0; round < 60; round++) {
		size_t a = 2 + random_below(&x, (uint32_t)(len / 4096 - 2));
		size_t b = 2 + random_below(&x, (uint32_t)(len / 4096 - 2));
		int rc;

		memcpy(copy, data, len);
		memcpy(copy + a * 4096, data + b * 4096, 4096);
		write_store(copy, len);
		rc = in_child(use_store, NULL);
		assert_in_range(rc, 0, 1);
		noticed += rc == 1;
		shelf_names("store", true);
	}
	assert_true(noticed > 10);
	free(copy);
	free(data);
}

static void the_old_file_is_kept_and_named(void **state)
{
	uint8_t *data, *kept;
	struct store *s;
	struct store_stats st;
	char *name, bad[200];

	(void)state;
	make_store();
	read_store(&data);
	data[0] ^= 1;
	write_store(data, 20000);
	s = shelf_open();
	assert_non_null(s);
	assert_int_equal(ops_of(s)->stats(s, &st), 0);
	assert_true(st.set_aside);
	assert_non_null(strstr(shelf_err, "damaged (page 0: "));
	name = strstr(shelf_err, "store.bad-");
	assert_non_null(name);
	*strchr(name, ' ') = '\0';
	snprintf(bad, sizeof(bad), "%s/%s", shelf, name);
	shelf_close(&s);
	assert_int_equal(rename(bad, shelf_path("store")), 0);
	assert_int_equal(read_store(&kept), 20000);
	assert_memory_equal(kept, data, 20000);
	/* two within a second do not overwrite each other */
	for (int i = 0; i < 3; i++) {
		write_store(data, 20000);
		s = shelf_open();
		assert_non_null(s);
		shelf_close(&s);
	}
	assert_int_equal(shelf_names("store.bad-", false), 3);
	free(kept);
	free(data);
}

/* A number in the meta sub-DB, as a later version would have left it. */
static void set_schema(uint32_t schema)
{
	uint8_t number[4];
	MDB_val key = {6, "schema"}, value = {4, number};
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	codec_set_due(number, schema);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
	assert_int_equal(mdb_env_open(env, shelf_path("store"), MDB_NOSUBDIR, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "meta", 0, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void another_schema_is_set_aside(void **state)
{
	uint8_t before[16];
	struct store *s;

	(void)state;
	make_store();
	memcpy(before, shelf_key, 16);
	set_schema(1);
	s = shelf_open();
	assert_non_null(s);
	assert_string_equal(shelf_err, "");
	shelf_close(&s);
	set_schema(2);
	s = shelf_open();
	assert_non_null(s);
	assert_non_null(strstr(shelf_err, "schema 2, this program reads 1"));
	assert_int_equal(load_count(s, NOW), 0);
	assert_memory_not_equal(before, shelf_key, 16);
	shelf_close(&s);
	assert_int_equal(shelf_names("store.bad-", false), 1);
}

/* Killed between making the file and the first commit. */
static void a_file_without_our_trees_is_completed(void **state)
{
	MDB_env *env;
	struct store *s;

	(void)state;
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, shelf_path("store"), MDB_NOSUBDIR, 0600), 0);
	mdb_env_close(env);
	for (int i = 0; i < 2; i++) {
		s = shelf_open();
		assert_non_null(s);
		assert_string_equal(shelf_err, "");
		shelf_close(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_store_in_use_is_sound),
		TEST(an_empty_file_is_a_new_store),
		TEST(every_truncation_is_noticed),
		TEST(garbage_is_set_aside),
		TEST(flipped_bytes_never_crash),
		TEST(a_page_in_the_wrong_place_is_noticed),
		TEST(the_old_file_is_kept_and_named),
		TEST(another_schema_is_set_aside),
		TEST(a_file_without_our_trees_is_completed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
