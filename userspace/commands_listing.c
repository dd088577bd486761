// SPDX-License-Identifier: GPL-2.0-or-later
/* Lists in status, stats and reload. */
#include <string.h>

#include "commands_show.h"

/* A list that was never read has the format that the configuration says. */
static enum list_format format_of(const struct config *c, const struct listed *one)
{
	for (int i = 0; !one->read && i < c->list_count; i++)
		if (!strcmp(c->lists[i].name, one->name))
			return c->lists[i].format;
	return one->format;
}

static json_t *list_row(const struct daemon *d, const struct config *c, int slot)
{
	const struct listed *one = &d->lists.lists[slot];
	const char *verdict = one->verdict == GG_ALLOW        ? "allow"
			      : one->verdict == GG_DENY       ? "deny"
			      : one->verdict == CONFIG_EXCEPT ? "except"
							      : "each";
	const uint64_t kernel =
		d->fastpath ? fastpath_list_hits(d->fastpath, (uint8_t)(slot + 1)) : 0;
	json_t *row = json_object();

	json_object_set_new(row, "name", json_string(one->name));
	json_object_set_new(row, "file", one->file ? row_text(one->file) : json_null());
	json_object_set_new(row, "format", json_string(list_format_text(format_of(c, one))));
	json_object_set_new(row, "verdict", json_string(verdict));
	if (one->verdict == CONFIG_EXCEPT)
		json_object_set_new(row, "takes_from",
				    one->from[0] ? json_string(one->from) : json_null());
	json_object_set_new(row, "entries", json_integer((json_int_t)one->entries));
	json_object_set_new(row, "bad", json_integer((json_int_t)one->bad));
	json_object_set_new(row, "hits",
			    json_integer((json_int_t)(atomic_load(&one->hits) + kernel)));
	if (d->fastpath)
		json_object_set_new(row, "kernel_hits", json_integer((json_int_t)kernel));
	json_object_set_new(row, "imported", json_boolean(one->imported));
	json_object_set_new(row, "read", json_integer((json_int_t)one->read));
	json_object_set_new(row, "failed", json_integer((json_int_t)one->failed));
	if (one->failed)
		json_object_set_new(row, "why", row_text(one->why));
	return row;
}

json_t *listing_rows(struct daemon *d)
{
	const struct config *c = atomic_load(&d->config);
	json_t *array = json_array();
	int slots[LISTING_MAX], n;

	pthread_mutex_lock(&d->lists.lock);
	n = listing_order(&d->lists, c, slots);
	for (int i = 0; i < n; i++)
		json_array_append_new(array, list_row(d, c, slots[i]));
	pthread_mutex_unlock(&d->lists.lock);
	return array;
}

void listing_problems(struct daemon *d, json_t *array)
{
	char unkept[LIST_ERROR];

	pthread_mutex_lock(&d->lists.lock);
	for (int i = 0; i < LISTING_MAX; i++) {
		const struct listed *one = &d->lists.lists[i];
		json_t *why = one->failed ? row_text(one->why) : NULL;

		if (listing_unkept(&d->lists, one, unkept))
			json_array_append_new(array,
					      json_sprintf("list %s: %s", one->name, unkept));
		if (!why)
			continue;
		json_array_append_new(
			array, json_sprintf("list %s: %s; %s", one->name, json_string_value(why),
					    one->set ? "what was read before stays in force"
						     : "nothing of it is in force"));
		json_decref(why);
	}
	if (d->lists.why[0])
		json_array_append_new(array, json_string(d->lists.why));
	pthread_mutex_unlock(&d->lists.lock);
}
