// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * suffixes FILE: the Public Suffix List in FILE (publicsuffix.org/list, UTF-8) as C on stdout, for
 * userspace/policy/domain.c. What is not ASCII is written in both forms, as names come in both.
 * A line that it does not understand ends it: a rule left out would join strangers in silence.
 */
#include <errno.h>
#include <idn2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../userspace/policy/suffix.h"

#define LABELS (1u << 20) /* bytes, of all labels */
#define LABEL 255         /* bytes, of one: in UTF-8 it may be longer than in a name */

static struct suffix table[SUFFIX_SLOTS];
static char labels[LABELS];
static uint32_t nodes, used;

/* -ENOSPC: the table is to stay thin, so that searches are short. */
static int node_under(uint16_t parent, const char *label, size_t len, uint32_t hash,
		      uint16_t *ret_slot)
{
	uint16_t slot = suffix_slot(table, labels, parent, label, len, hash);

	if (!table[slot].len) {
		if (nodes == SUFFIX_SLOTS / 2 || used + len > LABELS)
			return -ENOSPC;
		memcpy(labels + used, label, len);
		table[slot] = (struct suffix){used, parent, (uint8_t)len, 0};
		used += (uint32_t)len;
		nodes++;
		if (parent != SUFFIX_ROOT)
			table[parent].flags |= SUFFIX_PARENT;
	}
	*ret_slot = slot;
	return 0;
}

static int add(const char *name, uint8_t flags)
{
	const char *end = name + strlen(name), *label;
	uint16_t slot = SUFFIX_ROOT;
	uint32_t hash;
	int err = 0;

	do {
		label = suffix_label(name, end, slot, &hash);
		if (label == end || end - label > LABEL ||
		    memchr(label, '*', (size_t)(end - label)))
			return -EINVAL;
		err = node_under(slot, label, (size_t)(end - label), hash, &slot);
		end = label - 1;
	} while (!err && label > name);
	if (!err)
		table[slot].flags |= flags;
	return err;
}

/* "*.example" makes "example" a public suffix as well, as libraries for the list have it. */
static int add_rule(const char *rule)
{
	uint8_t flags = SUFFIX_RULE;
	char *ascii = NULL;
	int err;

	if (*rule == '!') {
		flags = SUFFIX_EXCEPTION;
		rule++;
	} else if (!strncmp(rule, "*.", 2)) {
		flags |= SUFFIX_WILDCARD;
		rule += 2;
	}
	err = add(rule, flags);
	if (err)
		return err;
	if (idn2_to_ascii_8z(rule, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		return -EINVAL;
	err = add(ascii, flags);
	idn2_free(ascii);
	return err;
}

static int read_list(FILE *f, const char *name)
{
	char *line = NULL;
	size_t room = 0;
	unsigned long number = 0;
	int err = 0;

	while (!err && getline(&line, &room, f) >= 0) {
		number++;
		line[strcspn(line, " \t\r\n")] = '\0';
		if (*line && strncmp(line, "//", 2) != 0)
			err = add_rule(line);
	}
	if (err)
		fprintf(stderr, "suffixes: %s:%lu: %s: %s\n", name, number, line,
			err == -ENOSPC ? "no room; raise SUFFIX_SLOTS or LABELS" : "not a rule");
	else if (ferror(f) || !nodes) {
		fprintf(stderr, "suffixes: %s: %s\n", name,
			ferror(f) ? "it can't be read" : "it holds no rule");
		err = -EIO;
	}
	free(line);
	return err;
}

static bool write_table(const char *name)
{
	printf("/* %u labels, by tools/suffixes. */\n"
	       "#define SUFFIX_LIST \"%s\"\n\n"
	       "static const struct suffix suffix_table[SUFFIX_SLOTS] = {\n",
	       nodes, name);
	for (uint32_t slot = 0; slot < SUFFIX_SLOTS; slot++)
		if (table[slot].len)
			printf("\t[%u] = {%u, %u, %u, %u},\n", slot, table[slot].label,
			       table[slot].parent, table[slot].len, table[slot].flags);
	printf("};\n\nstatic const char suffix_labels[] =");
	for (uint32_t i = 0; i < used; i++) {
		if (i % 64 == 0)
			printf("%s\n\t\"", i ? "\"" : "");
		printf("\\%03o", (unsigned char)labels[i]);
	}
	printf("\";\n");
	return !fflush(stdout) && !ferror(stdout);
}

int main(int argc, char **argv)
{
	FILE *f;
	int err;

	if (argc != 2) {
		fputs("usage: suffixes FILE\n", stderr);
		return 2;
	}
	f = fopen(argv[1], "r");
	if (!f) {
		fprintf(stderr, "suffixes: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	err = read_list(f, argv[1]);
	fclose(f);
	if (err)
		return 1;
	if (!write_table(argv[1])) {
		fprintf(stderr, "suffixes: stdout: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}
