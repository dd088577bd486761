// SPDX-License-Identifier: GPL-2.0-or-later
/* Elements of the lists that titled sections make. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

int schema_element(const struct schema_list *l, struct config *c, const char *title)
{
	char **field = (char **)((char *)c + l->offset), *grown;
	int *count = (int *)((char *)c + l->count), rc;
	char kept[SCHEMA_TITLE];

	if (!utf8_valid(title, strlen(title)))
		return -EILSEQ;
	rc = l->title(title, kept);
	if (rc)
		return rc;
	/* The keys of a section come one after the other: mostly it is the last one. */
	for (int i = *count - 1; i >= 0; i--) {
		if (!strcasecmp(*(char **)schema_element_at(l, c, i), kept))
			return i;
	}
	if (*count == l->max)
		return -ENOSPC;
	grown = realloc(*field, ((size_t)*count + 1) * l->size);
	if (!grown)
		return -ENOMEM;
	*field = grown;
	rc = element_init(l, grown + (size_t)*count * l->size, kept);
	return rc ? rc : (*count)++;
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
