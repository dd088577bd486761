// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What mends the configuration: a command where the list interfaces, or the value of another key,
 * stands on one line, words where it doesn't. One mend fits the others: an interface that is
 * missing from the list takes the place of a name that no interface has, whichever of the two is
 * found first.
 */
#include <ctype.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "../userspace/fastpath/fastpath.h"
#include "doctor.h"

#define KEY "interfaces"
#define NAMES 64 /* more interfaces are not offered */

/* ---- the configuration's text ---- */

/* Behind the equal sign that sets the key; NULL: the line doesn't. */
static const char *value_of(const char *line, const char *name, bool *ret_first)
{
	const char *start = line + strspn(line, " \t"), *key = start, *p;

	if (*start == '#' || !strncmp(start, "//", 2))
		return NULL;
	while ((key = strstr(key, name))) {
		p = key + strlen(name);
		p += strspn(p, " \t");
		*ret_first = key == start && *p == '=';
		if (*p == '=' || !strncmp(p, "+=", 2))
			return p + 1 + (*p == '+');
		key++;
	}
	return NULL;
}

/* {"eth0", "eth1"}, and nothing behind it but a comment. */
static bool is_plain(const char *p)
{
	p += strspn(p, " \t");
	if (*p++ != '{')
		return false;
	do {
		p += strspn(p, " \t");
		if (*p++ != '"')
			return false;
		p += strcspn(p, "\"}$\\\n");
		if (*p++ != '"')
			return false;
		p += strspn(p, " \t");
	} while (*p++ == ',');
	if (p[-1] != '}')
		return false;
	p += strspn(p, " \t\r\n");
	return !*p || *p == '#' || !strncmp(p, "//", 2);
}

/* One bare word, and nothing behind it but a comment. */
static bool is_bare(const char *p)
{
	p += strspn(p, " \t");
	if (!isalnum((unsigned char)*p))
		return false;
	while (isalnum((unsigned char)*p))
		p++;
	p += strspn(p, " \t\r\n");
	return !*p || *p == '#' || !strncmp(p, "//", 2);
}

struct setting_at {
	int line;   /* where the key is set, the last time; 0: not found */
	bool plain; /* set at most once, on one line, which holds the name to be replaced */
};

static struct setting_at find_setting(const char *file, const char *key,
				      bool (*is_plain_value)(const char *), const char *name)
{
	char line[1000], quoted[IF_NAMESIZE + 3];
	FILE *f = file ? fopen(file, "re") : NULL;
	struct setting_at at = {.plain = f};

	snprintf(quoted, sizeof(quoted), "\"%s\"", name ? name : "");
	for (int n = 1; f && fgets(line, sizeof(line), f); n++) {
		bool first = false;
		const char *value = value_of(line, key, &first);

		if (!value)
			continue;
		at.plain = !at.line && first && is_plain_value(value) &&
			   (!name || strstr(value, quoted));
		at.line = n;
	}
	if (f)
		fclose(f);
	return at;
}

/* One that a shell leaves as it is. */
static bool is_simple(const char *file)
{
	while (isalnum((unsigned char)*file) || (*file && strchr("/._-+:@", *file)))
		file++;
	return !*file;
}

void doctor_quote(const char *text, char *ret, size_t size)
{
	size_t n = 0;

	if (is_simple(text)) {
		snprintf(ret, size, "%s", text);
		return;
	}
	ret[n++] = '\'';
	for (; *text && n + 6 < size; text++)
		n += (size_t)snprintf(ret + n, size - n, *text == '\'' ? "'\\''" : "%c", *text);
	snprintf(ret + n, size - n, "'");
}

void doctor_mend_again(const struct doctor *d, const char *before, char *ret, size_t size)
{
	snprintf(ret, size, "%s %s", before, d->command ? d->command : "greygate doctor");
}

void doctor_mend_list(const struct doctor *d, const char *name, const char *by, char *ret,
		      size_t size)
{
	const struct setting_at at = find_setting(d->config_file, KEY, is_plain, name);
	const char *file = d->config_file ? d->config_file : "the configuration";
	char where[400];

	if (at.line && at.plain && is_simple(file)) {
		if (!by)
			snprintf(ret, size,
				 "sed -i '/^[[:space:]]*" KEY
				 "/{s/\"%s\"[[:space:]]*,[[:space:]]*//;"
				 "s/[[:space:]]*,[[:space:]]*\"%s\"//}' %.300s",
				 name, name, file);
		else if (name)
			snprintf(ret, size,
				 "sed -i '/^[[:space:]]*" KEY "/s/\"%s\"/\"%s\"/' %.300s", name, by,
				 file);
		else
			snprintf(ret, size, "sed -i '/^[[:space:]]*" KEY "/s/}/, \"%s\"}/' %.300s",
				 by, file);
		return;
	}
	if (at.line)
		snprintf(where, sizeof(where), "line %d of %.300s", at.line, file);
	else
		snprintf(where, sizeof(where), "%.300s", file);
	if (!by)
		snprintf(ret, size, "take \"%s\" out of " KEY ", %s", name, where);
	else if (name)
		snprintf(ret, size, "write \"%s\" for \"%s\" in " KEY ", %s", by, name, where);
	else
		snprintf(ret, size, "add \"%s\" inside the braces of " KEY ", %s", by, where);
}

void doctor_mend_value(const struct doctor *d, const char *key, const char *value, char *ret,
		       size_t size)
{
	const struct setting_at at = find_setting(d->config_file, key, is_bare, NULL);
	const char *file = d->config_file ? d->config_file : "the configuration";

	/* Each interface may say it: it has to fit a second time. */
	if (at.plain && is_simple(file) && at.line)
		snprintf(ret, size,
			 "sed -i '/^[[:space:]]*%s[[:space:]]*=/s/=[[:space:]]*[[:alnum:]]*/= %s/' "
			 "%.300s",
			 key, value, file);
	else if (at.plain && is_simple(file))
		snprintf(ret, size, "sed -i '1{/^%s/!s/^/%s = %s\\n/}' %.300s", key, key, value,
			 file);
	else if (at.line)
		snprintf(ret, size, "write %s = %s, line %d of %.300s", key, value, at.line, file);
	else
		snprintf(ret, size, "write %s = %s into %.300s", key, value, file);
}

/* ---- who takes whose place ---- */

struct names {
	char name[NAMES][IF_NAMESIZE];
	int count;
};

static int place_in(const struct names *in, const char *name)
{
	for (int i = 0; i < in->count; i++)
		if (!strcmp(in->name[i], name))
			return i;
	return -1;
}

static void append(struct names *to, const char *name)
{
	if (to->count < NAMES && place_in(to, name) < 0)
		snprintf(to->name[to->count++], IF_NAMESIZE, "%s", name);
}

/* The nth name that no interface has gives its place to the nth interface without one. */
struct exchange {
	struct names missing, others;
};

static void find_missing(const struct config *c, struct names *ret)
{
	for (int i = 0; i < c->interface_count; i++)
		if (!if_nametoindex(c->interfaces[i]))
			append(ret, c->interfaces[i]);
}

/* The first in the list whose place the master can take; NULL: none. */
static const char *port_of(const struct config *c, const char *master)
{
	struct fastpath_master m;

	for (int i = 0; i < c->interface_count; i++)
		if (fastpath_master(c->interfaces[i], &m) && m.stands_in && !strcmp(m.name, master))
			return c->interfaces[i];
	return NULL;
}

/* Interfaces that are not in the list, nor come into it in the place of a port: those that lead to
 * protected addresses before others. */
static void find_others(const struct config *c, struct names *ret)
{
	struct if_nameindex *all = if_nameindex();
	char out[IF_NAMESIZE];

	for (int i = 0; c->mode == GG_MODE_GATEWAY && i < c->protect_count; i++)
		if (!fastpath_way_out(&c->protect[i].addr, out) && !doctor_names(c, out) &&
		    !port_of(c, out))
			append(ret, out);
	for (struct if_nameindex *i = all; i && i->if_index; i++)
		if (strcmp(i->if_name, "lo") != 0 && !doctor_names(c, i->if_name) &&
		    !port_of(c, i->if_name))
			append(ret, i->if_name);
	if (all)
		if_freenameindex(all);
}

static void find_exchange(const struct config *c, struct exchange *ret)
{
	ret->missing.count = ret->others.count = 0;
	find_missing(c, &ret->missing);
	find_others(c, &ret->others);
}

/* Which of `to` the name in `from` is exchanged with; NULL: none is left. */
static const char *partner(const struct names *from, const char *name, const struct names *to)
{
	int nth = place_in(from, name);

	return nth >= 0 && nth < to->count ? to->name[nth] : NULL;
}

void doctor_mend_port(const struct doctor *d, const char *port, const struct fastpath_master *m,
		      char *ret, size_t size)
{
	const char *taker = doctor_names(d->config, m->name) ? NULL : port_of(d->config, m->name);
	const bool first = taker && !strcmp(taker, port);

	doctor_mend_list(d, port, first ? m->name : NULL, ret, size);
}

bool doctor_mend_missing(const struct doctor *d, const char *name, char *ret, size_t size)
{
	struct exchange e;
	const char *by;

	find_exchange(d->config, &e);
	by = partner(&e.missing, name, &e.others);
	if (by)
		doctor_mend_list(d, name, by, ret, size);
	return by;
}

void doctor_mend_unnamed(const struct doctor *d, const char *name, char *ret, size_t size)
{
	const char *port = port_of(d->config, name);
	struct exchange e;

	find_exchange(d->config, &e);
	doctor_mend_list(d, port ? port : partner(&e.others, name, &e.missing), name, ret, size);
}
