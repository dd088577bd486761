// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libconfuse is the grammar and nothing more: every option is a string to it, and its parse
 * callback reads the value straight into struct config, because only there the line is known.
 */
#include "config.h"

#include <confuse.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "schema.h"

#define FILE_MAX (4u << 20) /* bytes; a larger file is not a configuration */
#define SECTIONS 16
#define UNKNOWN 32 /* unknown keys named in one go */

/* libconfuse's scanner is one per process and its callbacks carry no argument. */
static pthread_mutex_t parser = PTHREAD_MUTEX_INITIALIZER;
static struct parse {
	struct config *config;
	struct complaints complaints;
	int lines[SCHEMA_MAX];
	struct schema_lines elements[SCHEMA_LISTS];
	struct schema_titles titles[SCHEMA_LISTS];
	struct {
		char section[40], name[40];
	} unknown[UNKNOWN];
	int unknown_count;
	char refused[100]; /* title that was complained about */
	bool again; /* an unknown key stopped libconfuse; with the key made known it will go on */
	bool no_memory;
} now;

void complain(struct complaints *c, int line, const char *key, const char *format, ...)
{
	char words[500], text[700];
	va_list ap;
	int n;

	va_start(ap, format);
	vsnprintf(words, sizeof(words), format, ap);
	va_end(ap);
	/* What is quoted from the file must not end the line or move a terminal's cursor. */
	for (char *p = words; *p; p++)
		if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
			*p = '?';
	n = snprintf(text, sizeof(text), "%.100s:%d: %s%s%s\n", c->file, line ? line : 1,
		     key ? key : "", key ? ": " : "", words);
	c->count++;
	if (n < 0 || c->len + (size_t)n >= c->size)
		return;
	memcpy(c->buf + c->len, text, (size_t)n + 1);
	c->len += (size_t)n;
}

static const char *section_of(const cfg_t *cfg)
{
	return strcmp(cfg->name, "root") != 0 ? cfg->name : "";
}

/* Reads a value into the field of k in `base`. set: where it was set before, or 0. */
static void take_value(const struct schema_key *k, void *base, const cfg_t *cfg, bool more,
		       const char *text, int *set)
{
	char why[KIND_WHY], name[80];
	int rc;

	schema_name(k, name, sizeof(name));
	if (*set && !more) {
		complain(&now.complaints, cfg->line, name,
			 "set already on line %d; a key may stand only once", *set);
		return;
	}
	if (!*set)
		*set = cfg->line;
	rc = kind_read(k, base, text, why);
	if (rc == -EINVAL)
		complain(&now.complaints, cfg->line, name, "%s", why);
	now.no_memory |= rc == -ENOMEM;
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *ret)
{
	int row = schema_find(section_of(cfg), opt->name);
	const struct schema_key *k = &schema[row];
	bool more = kind_is_list(k->kind) && opt->nvalues > 1; /* this value is counted */

	*(const char **)ret = text;
	take_value(k, now.config, cfg, more, text, &now.lines[row]);
	return 0;
}

/* The element of a titled section, or -1 after a complaint. */
static int find_element(const struct schema_list *l, const char *title, int line)
{
	int n = schema_element(l, now.config, title, &now.titles[l - schema_lists]);

	now.no_memory |= n == -ENOMEM;
	if (n >= 0 || !strncmp(now.refused, title, sizeof(now.refused) - 1))
		return n < 0 ? -1 : n;
	snprintf(now.refused, sizeof(now.refused), "%s", title);
	if (n == -EINVAL)
		complain(&now.complaints, line, l->section,
			 "\"%.100s\": not %s; allowed is %s such as \"%s\"", title, l->what,
			 l->allowed, l->example);
	else if (n == -EILSEQ)
		complain(&now.complaints, line, l->section,
			 "\"%.100s\": not UTF-8; allowed is %s such as \"%s\"", title, l->allowed,
			 l->example);
	else if (n == -ENOSPC)
		complain(&now.complaints, line, l->section, "one too many; at most %d are allowed",
			 l->max);
	return -1;
}

/* Where the keys of the n-th element were set; NULL: no memory. */
static int *element_lines(struct schema_lines *l, int n)
{
	int(*grown)[SCHEMA_ELEMENT_KEYS];
	int room = l->room ? l->room : 8;

	while (n >= room)
		room *= 2;
	if (room == l->room)
		return l->of[n];
	grown = realloc(l->of, (size_t)room * sizeof(*grown));
	if (!grown) {
		now.no_memory = true;
		return NULL;
	}
	memset(grown + l->room, 0, (size_t)(room - l->room) * sizeof(*grown));
	l->of = grown;
	l->room = room;
	return grown[n];
}

/* A value within a titled section. */
static int on_element_value(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *ret)
{
	const struct schema_list *l = schema_list_find(section_of(cfg));
	int n = find_element(l, cfg_title(cfg), cfg->line), key = 0, *set;

	*(const char **)ret = text;
	if (n < 0)
		return 0;
	while (strcmp(l->keys[key].name, opt->name) != 0)
		key++;
	set = element_lines(&now.elements[l - schema_lists], n);
	if (set)
		take_value(&l->keys[key], schema_element_at(l, now.config, n), cfg, false, text,
			   &set[key]);
	return 0;
}

static int on_unknown(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *ret)
{
	const char *section = section_of(cfg), *near = schema_near(section, opt->name);
	char known[400], name[90];

	*(const char **)ret = text;
	if (opt->nvalues > 1)
		return 0; /* the rest of a list */
	snprintf(name, sizeof(name), "%s%s%s", section, *section ? "." : "", opt->name);
	complain(&now.complaints, cfg->line, name, "unknown key%s%s; known here are %s",
		 near ? ", did you mean " : "", near ? near : "",
		 schema_known(section, known, sizeof(known)));
	return 0;
}

static void on_error(cfg_t *cfg, const char *format, va_list ap)
{
	static const char unknown[] = "no such option '";
	char words[200], *quote;
	size_t len;

	vsnprintf(words, sizeof(words), format, ap);
	len = strlen(words);
	if (strncmp(words, unknown, strlen(unknown)) != 0 || words[len - 1] != '\'' ||
	    now.unknown_count == UNKNOWN || len - strlen(unknown) > 39) {
		for (quote = words; (quote = strpbrk(quote, "\n\r")); quote++)
			*quote = ' ';
		complain(&now.complaints, cfg->line, "syntax",
			 "%s; allowed is KEY = VALUE, KEY = {VALUE, ...} or SECTION { ... }, a "
			 "value "
			 "with blanks in quotes",
			 words);
		return;
	}
	words[len - 1] = 0;
	snprintf(now.unknown[now.unknown_count].section, sizeof(now.unknown[0].section), "%s",
		 section_of(cfg));
	memcpy(now.unknown[now.unknown_count].name, words + strlen(unknown), len - strlen(unknown));
	now.unknown_count++;
	now.again = true;
}

static cfg_opt_t option(const char *name, bool list,
			int (*read)(cfg_t *, cfg_opt_t *, const char *, void *))
{
	return (cfg_opt_t){.name = name,
			   .type = CFGT_STR,
			   .flags = CFGF_NODEFAULT | (list ? CFGF_LIST : 0),
			   .parsecb = read};
}

/* Fills the options of one section and returns the place behind the last one. */
static cfg_opt_t *fill(cfg_opt_t *o, const char *section)
{
	const struct schema_list *list = schema_list_find(section);

	for (int i = 0; i < schema_count; i++) {
		if (!strcmp(schema[i].section, section))
			*o++ = option(schema[i].name, kind_is_list(schema[i].kind), on_value);
	}
	for (int i = 0; list && i < list->key_count; i++)
		*o++ = option(list->keys[i].name, false, on_element_value);
	for (int i = 0; i < now.unknown_count; i++) {
		if (!strcmp(now.unknown[i].section, section))
			*o++ = option(now.unknown[i].name, true, on_unknown);
	}
	return o;
}

/* A titled section without a key in it has its defaults. */
static void make_elements(cfg_t *cfg, const struct schema_list *l)
{
	for (unsigned i = 0; i < cfg_size(cfg, l->section); i++) {
		const cfg_t *section = cfg_getnsec(cfg, l->section, i);

		if (section->title)
			find_element(l, section->title, section->line);
	}
}

/* One run of libconfuse over text into a fresh config with every default. */
static int parse_once(const char *text)
{
	cfg_opt_t opts[SCHEMA_MAX + UNKNOWN + SECTIONS + 1];
	cfg_opt_t subs[SCHEMA_MAX + SCHEMA_LISTS * SCHEMA_ELEMENT_KEYS + UNKNOWN + SECTIONS + 1];
	cfg_opt_t *o, *sub = subs;
	char why[KIND_WHY];
	const char *section;
	cfg_t *cfg;
	int rc;

	memset(opts, 0, sizeof(opts));
	memset(subs, 0, sizeof(subs));
	memset(now.lines, 0, sizeof(now.lines));
	for (int i = 0; i < schema_lists_count; i++) {
		if (now.elements[i].room)
			memset(now.elements[i].of, 0,
			       (size_t)now.elements[i].room * sizeof(*now.elements[i].of));
		free(now.titles[i].of);
		now.titles[i] = (struct schema_titles){0};
	}
	memcpy(now.refused, "\n", 2); /* what no title can be */
	now.again = false;
	now.config = calloc(1, sizeof(*now.config));
	if (!now.config)
		return -ENOMEM;
	for (int i = 0; i < schema_count; i++) {
		if (schema[i].def && kind_read(&schema[i], now.config, schema[i].def, why))
			return -ENOMEM;
	}
	o = fill(opts, "");
	for (int i = 0; i < SECTIONS && (section = schema_section(i)); i++) {
		*o++ = (cfg_opt_t){.name = section, .type = CFGT_SEC, .subopts = sub};
		sub = fill(sub, section) + 1;
	}
	for (int i = 0; i < schema_lists_count; i++) {
		*o++ = (cfg_opt_t){.name = schema_lists[i].section,
				   .type = CFGT_SEC,
				   .flags = CFGF_MULTI | CFGF_TITLE,
				   .subopts = sub};
		sub = fill(sub, schema_lists[i].section) + 1;
	}
	cfg = cfg_init(opts, CFGF_NONE);
	if (!cfg)
		return -ENOMEM;
	cfg_set_error_function(cfg, on_error);
	rc = cfg_parse_buf(cfg, text);
	for (int i = 0; rc == CFG_SUCCESS && i < schema_lists_count; i++)
		make_elements(cfg, &schema_lists[i]);
	/* libconfuse has no words for a name that is empty. */
	if (rc != CFG_SUCCESS && !now.again && !now.complaints.count)
		complain(&now.complaints, cfg->line, "syntax",
			 "an empty name; allowed is KEY = VALUE, KEY = {VALUE, ...} or "
			 "SECTION { ... }");
	cfg_free(cfg);
	return rc == CFG_SUCCESS && !now.no_memory ? 0 : now.no_memory ? -ENOMEM : -EINVAL;
}

/* hostname and contact have a default that depends on the machine. */
static int fill_names(struct config *c)
{
	char name[256] = "localhost";

	if (!c->hostname) {
		gethostname(name, sizeof(name) - 1);
		c->hostname = strdup(name);
	}
	if (c->hostname && !c->contact && asprintf(&c->contact, "postmaster@%s", c->hostname) < 0)
		c->contact = NULL;
	return c->hostname && c->contact ? 0 : -ENOMEM;
}

static int parse_locked(char *text, bool whole)
{
	size_t scanned;
	int count, rc;

	if (!scan_text(text, &now.complaints))
		return -EINVAL;
	scanned = now.complaints.len;
	count = now.complaints.count;
	do {
		now.complaints.buf[scanned] = 0;
		now.complaints.len = scanned;
		now.complaints.count = count;
		config_free(&now.config);
		rc = parse_once(text);
	} while (rc == -EINVAL && now.again);
	if (!rc && !now.complaints.count)
		rc = levels_finish(now.config, now.elements);
	if (!rc && !now.complaints.count)
		check_config(now.config, now.lines, now.elements, whole, &now.complaints);
	if (!rc && !now.complaints.count)
		rc = fill_names(now.config);
	return rc ? rc : now.complaints.count ? -EINVAL : 0;
}

static int parse(const char *name, const char *text, bool whole, struct config **ret, char *err,
		 size_t err_size)
{
	char scrap[2], *copy = strdup(text);
	int rc;

	if (!copy)
		return -ENOMEM;
	pthread_mutex_lock(&parser);
	memset(&now, 0, sizeof(now));
	now.complaints = (struct complaints){.file = name, .buf = err, .size = err_size};
	if (err_size < sizeof(scrap)) {
		now.complaints.buf = scrap;
		now.complaints.size = sizeof(scrap);
	}
	now.complaints.buf[0] = 0;
	rc = parse_locked(copy, whole);
	if (rc == -ENOMEM)
		complain(&now.complaints, 0, NULL, "out of memory");
	if (!rc)
		*ret = now.config;
	else
		config_free(&now.config);
	now.config = NULL;
	for (int i = 0; i < schema_lists_count; i++) {
		free(now.elements[i].of);
		free(now.titles[i].of);
	}
	pthread_mutex_unlock(&parser);
	free(copy);
	return rc;
}

int config_parse(const char *name, const char *text, struct config **ret, char *err,
		 size_t err_size)
{
	return parse(name, text, true, ret, err, err_size);
}

static int load(const char *file, bool whole, struct config **ret, char *err, size_t err_size)
{
	FILE *f = fopen(file, "re");
	struct complaints to = {.file = file, .buf = err, .size = err_size};
	char *text = NULL;
	size_t len = 0;
	int rc;

	if (!f || !(text = malloc(FILE_MAX + 1)) ||
	    (len = fread(text, 1, FILE_MAX + 1, f), ferror(f))) {
		rc = -errno;
		snprintf(err, err_size, "%s:1: cannot be read: %s\n", file, strerror(errno));
	} else if (len > FILE_MAX) {
		rc = -EINVAL;
		complain(&to, 0, NULL, "larger than %u bytes: not a configuration", FILE_MAX);
	} else {
		text[len] = 0;
		if (strlen(text) != len) {
			int line = 1;

			for (const char *p = text; *p; p++)
				line += *p == '\n';
			rc = -EINVAL;
			complain(&to, line, NULL, "a NUL byte; the file must be plain text");
		} else {
			rc = parse(file, text, whole, ret, err, err_size);
		}
	}
	free(text);
	if (f)
		fclose(f);
	return rc;
}

int config_load(const char *file, struct config **ret, char *err, size_t err_size)
{
	return load(file, true, ret, err, err_size);
}

int config_load_settings(const char *file, struct config **ret, char *err, size_t err_size)
{
	return file ? load(file, false, ret, err, err_size)
		    : parse("defaults", "", false, ret, err, err_size);
}

void config_free(struct config **c)
{
	if (!*c)
		return;
	for (int i = 0; i < schema_count; i++)
		kind_free(&schema[i], *c);
	schema_lists_free(*c);
	levels_free(*c);
	free(*c);
	*c = NULL;
}

const struct endpoint *config_targets(const struct config *c, int *ret_count)
{
	bool gateway = c->mode == GG_MODE_GATEWAY;

	*ret_count = gateway ? c->protect_count : c->backend_count;
	return gateway ? c->protect : c->backend;
}

bool config_balancer(const struct config *c, const struct prefix *p)
{
	for (int i = 0; c && i < c->balancer_count; i++)
		if (p->len >= c->balancers[i].len && prefix_holds(&c->balancers[i], &p->addr))
			return true;
	return false;
}

bool config_exempt(const struct config *c, const struct prefix *p)
{
	for (int i = 0; c && i < c->greylist.exempt_count; i++) {
		const struct prefix *q = &c->greylist.exempt[i];

		if (q->len == p->len && addr_eq(&q->addr, &p->addr))
			return true;
	}
	return false;
}

/* In gateway mode a listener stands for each protected endpoint. */
static bool may_reload(const struct schema_key *k, const struct config *c)
{
	return k->flags & KEY_RELOAD &&
	       !(c->mode == GG_MODE_GATEWAY && k->offset == offsetof(struct config, protect));
}

const char *config_needs_restart(const struct config *from, const struct config *to)
{
	static _Thread_local char name[80];

	for (int i = 0; i < schema_count; i++) {
		if (!may_reload(&schema[i], from) && !kind_equal(&schema[i], from, to))
			return schema_name(&schema[i], name, sizeof(name));
	}
	return NULL;
}
