// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The file format of LMDB 0.9 (data version 1), as far as a walk meets it: two meta pages, then
 * pages of B+trees; the main tree's values are the roots of the named ones. Numbers are in host
 * order and width, as LMDB writes them: such a file never travels between machines.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

#define META_MAGIC 0xBEEFC0DEu
#define META_VERSION 1u
#define PAGE_BRANCH 0x01
#define PAGE_LEAF 0x02
#define PAGE_OVERFLOW 0x04
#define PAGE_META 0x08
#define NODE_BIG 0x01 /* the value lies in overflow pages */
#define NODE_SUB 0x02 /* the value is the root of a tree */
#define DB_INTEGER_KEY 0x08
#define DB_FLAGS 0x7f /* the free list's root also keeps flags of the environment above these */
#define NO_PAGE (~(uint64_t)0)
#define MIN_PAGE 512
#define MAX_PAGE 65536
#define MAX_KEY 511
#define MAX_DEPTH 32

struct head {
	uint64_t number;
	uint16_t pad, flags;
	union {
		struct {
			uint16_t lower, upper; /* bounds of the free space */
		};
		uint32_t pages; /* of an overflow run */
	};
};

struct root {
	uint32_t pad; /* page size, in the root of the free list */
	uint16_t flags, depth;
	uint64_t branches, leaves, overflows, entries, page;
};

struct meta {
	uint32_t magic, version;
	uint64_t address, map_size;
	struct root free_list, main;
	uint64_t last_page, txn;
};

struct node {
	uint16_t low, high, flags, key_len;
};

_Static_assert(sizeof(struct head) == 16 && sizeof(struct root) == 48 &&
		       sizeof(struct meta) == 136 && sizeof(struct node) == 8,
	       "as on disk");

struct check {
	int fd;
	uint32_t page_size;
	uint64_t file_pages, last_page;
	uint8_t *taken; /* a bit per page of the file */
	uint8_t *level[MAX_DEPTH];
	char *why;
	size_t why_size;
};

/* One tree while it is walked. */
struct tree {
	const struct root *root;
	bool integer_keys;
	bool free_list, has_subs;
	struct root found;
	uint8_t bound[MAX_KEY]; /* the keys to come are above it, or equal it while `at_bound` */
	size_t bound_len;
	bool bounded, at_bound;
};

/* Nodes of a page lie side by side from `upper` to its end, each on an even number of bytes. */
static size_t node_size(const struct node *n, size_t len)
{
	return (sizeof(*n) + n->key_len + len + 1) & ~(size_t)1;
}

static int check_tree(struct check *k, const struct root *root, bool free_list, bool has_subs);

__attribute__((format(printf, 3, 4))) static int bad(struct check *k, uint64_t page,
						     const char *format, ...)
{
	char text[120];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	snprintf(k->why, k->why_size, "page %llu: %s", (unsigned long long)page, text);
	return -EUCLEAN;
}

static int read_at(struct check *k, uint64_t page, void *buf, size_t len)
{
	off_t at = (off_t)(page * k->page_size);
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pread(k->fd, (uint8_t *)buf + done, len - done, at + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return bad(k, page, "the file ends before it");
		done += (size_t)n;
	}
	return 0;
}

/* A page belongs to one place only. */
static int take(struct check *k, uint64_t page, uint64_t count)
{
	for (uint64_t p = page; p < page + count; p++) {
		if (k->taken[p / 8] & 1u << p % 8)
			return bad(k, p, "used twice");
		k->taken[p / 8] |= (uint8_t)(1u << p % 8);
	}
	return 0;
}

static int claim(struct check *k, uint64_t page, uint64_t count)
{
	if (page < 2 || page > k->last_page || !count || count > k->last_page + 1 - page)
		return bad(k, page, "beyond the last page %llu", (unsigned long long)k->last_page);
	if (page + count > k->file_pages)
		return bad(k, page, "the file ends before it");
	return take(k, page, count);
}

/* ---- values of the two trees that mean something ---- */

static int check_free(struct check *k, uint64_t page, const uint8_t *data, size_t len)
{
	uint64_t count, p, last = NO_PAGE;
	int rc;

	if (len < sizeof(count))
		return bad(k, page, "free list cut off");
	memcpy(&count, data, sizeof(count));
	if (count > len / sizeof(count) - 1)
		return bad(k, page, "free list longer than its value");
	for (uint64_t i = 0; i < count; i++) {
		memcpy(&p, data + (i + 1) * sizeof(p), sizeof(p));
		if (p < 2 || p > k->last_page || p >= last)
			return bad(k, page, "free list names page %llu", (unsigned long long)p);
		last = p;
		/* A page that was freed before it was ever written may lie beyond the end. */
		rc = p < k->file_pages ? take(k, p, 1) : 0;
		if (rc)
			return rc;
	}
	return 0;
}

static int check_sub(struct check *k, uint64_t page, const uint8_t *data, size_t len)
{
	struct root root;

	if (len != sizeof(root))
		return bad(k, page, "root of a sub-DB has %zu bytes", len);
	memcpy(&root, data, sizeof(root));
	return check_tree(k, &root, false, false);
}

static int check_big(struct check *k, struct tree *t, uint64_t page, const uint8_t *data,
		     size_t len)
{
	uint64_t number, pages;
	struct head head;
	uint8_t *value;
	int rc;

	memcpy(&number, data, sizeof(number));
	pages = (sizeof(head) + len - 1) / k->page_size + 1;
	rc = claim(k, number, pages);
	if (rc)
		return rc;
	value = malloc(sizeof(head) + len);
	if (!value)
		return -ENOMEM;
	rc = read_at(k, number, value, sizeof(head) + len);
	memcpy(&head, value, sizeof(head));
	if (!rc && (head.number != number || head.flags != PAGE_OVERFLOW || head.pages != pages))
		rc = bad(k, number, "not the overflow page that page %llu names",
			 (unsigned long long)page);
	if (!rc && t->free_list)
		rc = check_free(k, number, value + sizeof(head), len);
	t->found.overflows += pages;
	free(value);
	return rc;
}

/* ---- trees ---- */

static int compare(const struct tree *t, const uint8_t *key, size_t len)
{
	uint64_t a, b;
	int d;

	if (t->integer_keys) {
		memcpy(&a, key, sizeof(a));
		memcpy(&b, t->bound, sizeof(b));
		return a < b ? -1 : a > b;
	}
	d = memcmp(key, t->bound, len < t->bound_len ? len : t->bound_len);
	return d ? d : len < t->bound_len ? -1 : len > t->bound_len;
}

/* Keys come in order through the whole tree; a separator may equal the first key to its right. */
static int in_order(struct check *k, struct tree *t, uint64_t page, const uint8_t *key, size_t len,
		    bool separator)
{
	int d;

	if (len > MAX_KEY || !len || (t->integer_keys && len != sizeof(uint64_t)))
		return bad(k, page, "key of %zu bytes", len);
	d = t->bounded ? compare(t, key, len) : 1;
	if (d < 0 || (d == 0 && !(t->at_bound && !separator)))
		return bad(k, page, "keys out of order");
	memcpy(t->bound, key, len);
	t->bound_len = len;
	t->bounded = true;
	t->at_bound = separator;
	return 0;
}

/* Node i of the page: its header, and where its key begins. Sizes are checked here once. */
static int node_at(struct check *k, const uint8_t *p, const struct head *head, unsigned int i,
		   struct node *ret, const uint8_t **ret_key, size_t *ret_len)
{
	bool leaf = head->flags == PAGE_LEAF;
	size_t need, len;
	uint16_t at;

	memcpy(&at, p + sizeof(*head) + i * sizeof(at), sizeof(at));
	if (at < head->upper || at % 2 || at + sizeof(*ret) > k->page_size)
		return bad(k, head->number, "node %u lies at %u", i, at);
	memcpy(ret, p + at, sizeof(*ret));
	len = leaf ? (size_t)ret->low | (size_t)ret->high << 16 : 0;
	need = leaf && ret->flags & NODE_BIG ? sizeof(uint64_t) : len;
	if (at + sizeof(*ret) + ret->key_len + need > k->page_size)
		return bad(k, head->number, "node %u runs out of the page", i);
	*ret_key = p + at + sizeof(*ret);
	*ret_len = len;
	return 0;
}

static int bad_sizes(struct check *k, const struct head *head)
{
	return bad(k, head->number, "its nodes do not fill %u to the end", head->upper);
}

static int check_leaf(struct check *k, struct tree *t, const uint8_t *p, const struct head *head,
		      unsigned int nodes)
{
	const uint8_t *key, *data;
	size_t len, bytes = 0;
	struct node n;
	int rc;

	for (unsigned int i = 0; i < nodes; i++) {
		rc = node_at(k, p, head, i, &n, &key, &len);
		if (!rc)
			rc = in_order(k, t, head->number, key, n.key_len, false);
		if (rc)
			return rc;
		data = key + n.key_len;
		bytes += node_size(&n, n.flags & NODE_BIG ? sizeof(uint64_t) : len);
		if (n.flags == NODE_BIG && !t->has_subs)
			rc = check_big(k, t, head->number, data, len);
		else if (n.flags != (t->has_subs ? NODE_SUB : 0))
			rc = bad(k, head->number, "node %u has flags %x", i, n.flags);
		else if (t->has_subs)
			rc = check_sub(k, head->number, data, len);
		else if (t->free_list)
			rc = check_free(k, head->number, data, len);
		if (rc)
			return rc;
	}
	t->found.entries += nodes;
	t->found.leaves++;
	return bytes == k->page_size - head->upper ? 0 : bad_sizes(k, head);
}

static int check_page(struct check *k, struct tree *t, uint64_t page, unsigned int depth)
{
	bool last = depth + 1 == t->root->depth;
	const uint8_t *key;
	struct head head;
	size_t len, bytes = 0;
	unsigned int nodes;
	struct node n;
	uint8_t *p;
	int rc;

	if (!k->level[depth])
		k->level[depth] = malloc(k->page_size);
	p = k->level[depth];
	if (!p)
		return -ENOMEM;
	rc = claim(k, page, 1);
	if (!rc)
		rc = read_at(k, page, p, k->page_size);
	if (rc)
		return rc;
	memcpy(&head, p, sizeof(head));
	if (head.number != page)
		return bad(k, page, "says it is page %llu", (unsigned long long)head.number);
	if (head.flags != (last ? PAGE_LEAF : PAGE_BRANCH))
		return bad(k, page, "has flags %x where a %s belongs", head.flags,
			   last ? "leaf" : "branch");
	if (head.lower < sizeof(head) || head.lower % 2 || head.lower > head.upper ||
	    head.upper > k->page_size)
		return bad(k, page, "free space from %u to %u", head.lower, head.upper);
	nodes = (head.lower - (unsigned int)sizeof(head)) / 2;
	if (nodes < (last || t->free_list ? 1 : 2))
		return bad(k, page, "has %u nodes", nodes);
	if (last)
		return check_leaf(k, t, p, &head, nodes);
	t->found.branches++;
	for (unsigned int i = 0; i < nodes; i++) {
		rc = node_at(k, p, &head, i, &n, &key, &len);
		bytes += node_size(&n, 0);
		/* The first separator stands for everything to the left and is never read. */
		if (!rc && i)
			rc = in_order(k, t, page, key, n.key_len, true);
		if (!rc)
			rc = check_page(k, t,
					(uint64_t)n.low | (uint64_t)n.high << 16 |
						(uint64_t)n.flags << 32,
					depth + 1);
		if (rc)
			return rc;
	}
	return bytes == k->page_size - head.upper ? 0 : bad_sizes(k, &head);
}

/* The main tree is walked while its sub-trees are: each takes buffers of its own. */
static int check_tree(struct check *k, const struct root *root, bool free_list, bool has_subs)
{
	struct tree *t = calloc(1, sizeof(*t));
	uint8_t *outer[MAX_DEPTH];
	int rc = 0;

	if (!t)
		return -ENOMEM;
	memcpy(outer, k->level, sizeof(outer));
	memset(k->level, 0, sizeof(k->level));
	t->root = root;
	t->free_list = free_list;
	t->has_subs = has_subs;
	t->integer_keys = free_list;
	if ((free_list ? root->flags & DB_FLAGS : root->flags) != (free_list ? DB_INTEGER_KEY : 0))
		rc = bad(k, root->page, "its tree has flags %x", root->flags);
	else if (root->depth > MAX_DEPTH || (root->page == NO_PAGE) != !root->depth)
		rc = bad(k, root->page, "its tree has depth %u", root->depth);
	else if (root->depth)
		rc = check_page(k, t, root->page, 0);
	if (!rc && (t->found.branches != root->branches || t->found.leaves != root->leaves ||
		    t->found.overflows != root->overflows || t->found.entries != root->entries))
		rc = bad(k, root->page, "its tree does not hold what it should");
	for (int i = 0; i < MAX_DEPTH; i++)
		free(k->level[i]);
	memcpy(k->level, outer, sizeof(outer));
	free(t);
	return rc;
}

/* ---- meta pages ---- */

static int read_meta(struct check *k, uint64_t page, struct meta *ret)
{
	struct {
		struct head head;
		struct meta meta;
	} m;
	int rc = read_at(k, page, &m, sizeof(m));

	if (rc)
		return rc;
	if (!(m.head.flags & PAGE_META) || m.head.number != page || m.meta.magic != META_MAGIC)
		return bad(k, page, "not an LMDB meta page");
	if (m.meta.version != META_VERSION)
		return bad(k, page, "LMDB format %u, this program reads %u", m.meta.version,
			   META_VERSION);
	*ret = m.meta;
	return 0;
}

/* The page size is in the first meta page, whose own place does not depend on it. */
static int choose_meta(struct check *k, struct meta *ret)
{
	struct meta first, second;
	uint32_t size;
	int rc;

	k->page_size = MIN_PAGE;
	rc = read_meta(k, 0, &first);
	if (rc)
		return rc;
	size = first.free_list.pad;
	if (size < MIN_PAGE || size > MAX_PAGE || size & (size - 1))
		return bad(k, 0, "page size %u", size);
	k->page_size = size;
	rc = read_meta(k, 1, &second);
	if (rc)
		return rc;
	if (second.free_list.pad != size)
		return bad(k, 1, "page size %u, but %u in page 0", second.free_list.pad, size);
	*ret = first.txn < second.txn ? second : first;
	return 0;
}

int check_file(int fd, char *why, size_t why_size)
{
	struct check k = {.fd = fd, .why = why, .why_size = why_size};
	struct meta meta;
	struct stat st;
	int rc;

	if (fstat(fd, &st))
		return -errno;
	if (!st.st_size)
		return 0;
	rc = choose_meta(&k, &meta);
	if (rc)
		return rc;
	k.file_pages = (uint64_t)st.st_size / k.page_size;
	k.last_page = meta.last_page;
	if (k.last_page < 1 || k.last_page > 2 * k.file_pages + MAX_PAGE)
		return bad(&k, 0, "last page %llu of %llu", (unsigned long long)k.last_page,
			   (unsigned long long)k.file_pages);
	k.taken = calloc(k.file_pages / 8 + 1, 1);
	if (!k.taken)
		return -ENOMEM;
	rc = check_tree(&k, &meta.main, false, true);
	if (!rc)
		rc = check_tree(&k, &meta.free_list, true, false);
	free(k.taken);
	return rc;
}
