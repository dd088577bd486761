// SPDX-License-Identifier: GPL-2.0-or-later
/* Words, names and patterns within a line. */
#include <string.h>

#include "../core/idn.h"
#include "internal.h"

#define NAME_LONGEST 253
#define LABEL_LONGEST 63

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_label(char c)
{
	return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_';
}

bool text_name(const char *text, char ret[TEXT_NAME])
{
	size_t len, label = 0;
	bool number = true;

	if (!idn_ascii(text, ret, TEXT_NAME))
		return false;
	len = strlen(ret);
	if (len && ret[len - 1] == '.')
		ret[--len] = 0;
	if (!len || len > NAME_LONGEST)
		return false;
	for (char *p = ret; *p; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + ('a' - 'A'));
		if (*p == '.') {
			if (!label)
				return false;
			label = 0;
			number = true;
			continue;
		}
		if (!is_label(*p) || ++label > LABEL_LONGEST)
			return false;
		number &= is_digit(*p);
	}
	return label && !number;
}

char *text_word(char **text)
{
	char *word = *text + strspn(*text, " \t");
	size_t len = strcspn(word, " \t");

	if (!len)
		return NULL;
	*text = word + len;
	if (**text)
		*(*text)++ = 0;
	return word;
}

char *text_pattern(char *text)
{
	size_t len = strlen(text);

	if (len < 3 || text[0] != '/' || text[len - 1] != '/')
		return NULL;
	text[len - 1] = 0;
	return text + 1;
}
