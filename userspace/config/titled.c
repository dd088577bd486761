// SPDX-License-Identifier: GPL-2.0-or-later
/* Elements of the lists that titled sections make. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../core/hash.h"
#include "../core/utf8.h"
#include "schema.h"

const struct schema_list *schema_list_find(const char *section)
{
	for (int i = 0; i < schema_lists_count; i++) {
		if (!strcmp(schema_lists[i].section, section))
			return &schema_lists[i];
	}
	return NULL;
}

static void element_free(const struct schema_list *l, void *element)
{
	for (int i = 0; i < l->key_count; i++)
		kind_free(&l->keys[i], element);
	free(*(char **)element);
}

static int element_init(const struct schema_list *l, void *element, const char *title)
{
	char why[KIND_WHY];
	int rc = 0;

	memset(element, 0, l->size);
	*(char **)element = strdup(title);
	if (!*(char **)element)
		rc = -ENOMEM;
	for (int i = 0; i < l->key_count && !rc; i++)
		if (l->keys[i].def && !(l->keys[i].flags & KEY_LEVEL))
			rc = kind_read(&l->keys[i], element, l->keys[i].def, why);
	if (rc)
		element_free(l, element);
	return rc;
}

/* Nobody outside can add a title, so the hash needs no secret. */
static uint32_t slot_of(const char *title, uint32_t mask)
{
	static const uint8_t key[HASH_KEY];
	char low[SCHEMA_TITLE];
	size_t len = 0;

	for (; title[len]; len++)
		low[len] = (char)tolower((unsigned char)title[len]);
	return (uint32_t)hash_bytes(key, low, len) & mask;
}

/* Room for one more; twice as much when half of it is taken. */
static int titles_grow(struct schema_titles *t, const struct schema_list *l, const struct config *c,
		       int count)
{
	uint32_t size = t->of ? t->mask + 1 : 0;
	int *grown;

	if ((uint32_t)count < size / 2)
		return 0;
	size = size ? 2 * size : 16;
	grown = calloc(size, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	free(t->of);
	*t = (struct schema_titles){.of = grown, .mask = size - 1};
	for (int n = 0; n < count; n++) {
		uint32_t i = slot_of(*(char **)schema_element_at(l, c, n), t->mask);

		while (grown[i])
			i = (i + 1) & t->mask;
		grown[i] = n + 1;
	}
	return 0;
}

int schema_element(const struct schema_list *l, struct config *c, const char *title,
		   struct schema_titles *t)
{
	char **field = (char **)((char *)c + l->offset), *grown;
	int *count = (int *)((char *)c + l->count), n = *count, rc;
	char kept[SCHEMA_TITLE];
	uint32_t i;

	if (!utf8_valid(title, strlen(title)))
		return -EILSEQ;
	rc = l->title(title, kept);
	if (!rc)
		rc = titles_grow(t, l, c, n);
	if (rc)
		return rc;
	for (i = slot_of(kept, t->mask); t->of[i]; i = (i + 1) & t->mask) {
		if (!strcasecmp(*(char **)schema_element_at(l, c, t->of[i] - 1), kept))
			return t->of[i] - 1;
	}
	if (n == l->max)
		return -ENOSPC;
	if (!(n & (n - 1))) { /* full: none, or a power of two of them */
		grown = realloc(*field, (n ? 2 * (size_t)n : 1) * l->size);
		if (!grown)
			return -ENOMEM;
		*field = grown;
	}
	rc = element_init(l, *field + (size_t)n * l->size, kept);
	if (rc)
		return rc;
	t->of[i] = ++*count;
	return n;
}

void schema_lists_free(struct config *c)
{
	for (int i = 0; i < schema_lists_count; i++) {
		const struct schema_list *l = &schema_lists[i];
		char **field = (char **)((char *)c + l->offset);
		int *count = (int *)((char *)c + l->count);

		for (int n = 0; n < *count; n++)
			element_free(l, schema_element_at(l, c, n));
		free(*field);
		*field = NULL;
		*count = 0;
	}
}
