/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The generators' options: a table of names, how the value is read, and where it goes. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <getopt.h>
#include <math.h>

#include "source.h"

#define OPTIONS 16 /* of one program, at most */

struct told {
	const char *name;
	bool (*read)(const char *text, void *to);
	void *to;
};

/* Of an option without a value: a bool. */
static inline bool read_flag(const char *text, void *to)
{
	(void)text;
	*(bool *)to = true;
	return true;
}

/* An unsigned int. */
static inline bool read_number(const char *text, void *to)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end || *text == '-' || n > UINT32_MAX)
		return false;
	*(unsigned int *)to = (unsigned int)n;
	return true;
}

/* A double, s. */
static inline bool read_seconds(const char *text, void *to)
{
	char *end;
	double s = strtod(text, &end);

	if (end == text || *end || !isfinite(s) || s < 0)
		return false;
	*(double *)to = s;
	return true;
}

/* A struct sockaddr_in. */
static inline bool read_target(const char *text, void *to)
{
	return source_target(text, to);
}

/* The network of the clients, which is one for all: nothing is needed to put it in. */
static inline bool read_network(const char *text, void *to)
{
	(void)to;
	return source_network(text);
}

/* What no option is stands from argv[optind] on. False: a name or a value is wrong. */
static inline bool options_take(int argc, char **argv, const struct told *table, int count)
{
	struct option known[OPTIONS + 1] = {{0}};
	int i, got;

	for (i = 0; i < count && i < OPTIONS; i++)
		known[i] = (struct option){
			.name = table[i].name,
			.has_arg = table[i].read == read_flag ? no_argument : required_argument};
	while ((got = getopt_long(argc, argv, "", known, &i)) != -1)
		if (got || !table[i].read(optarg, table[i].to))
			return false;
	return true;
}

#define OPTIONS_TAKE(argc, argv, table)                                                            \
	options_take(argc, argv, table, sizeof(table) / sizeof((table)[0]))

#endif
