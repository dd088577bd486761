// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>

#include "ticket.h"

#define DIGITS (TICKET_TEXT - 1)

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* Value of a digit plus one; 0 stands for no digit. */
static const uint8_t values[256] = {
	['0'] = 1,  ['O'] = 1,  ['o'] = 1,  ['1'] = 2,  ['I'] = 2,  ['i'] = 2,  ['L'] = 2,
	['l'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
	['8'] = 9,  ['9'] = 10, ['A'] = 11, ['a'] = 11, ['B'] = 12, ['b'] = 12, ['C'] = 13,
	['c'] = 13, ['D'] = 14, ['d'] = 14, ['E'] = 15, ['e'] = 15, ['F'] = 16, ['f'] = 16,
	['G'] = 17, ['g'] = 17, ['H'] = 18, ['h'] = 18, ['J'] = 19, ['j'] = 19, ['K'] = 20,
	['k'] = 20, ['M'] = 21, ['m'] = 21, ['N'] = 22, ['n'] = 22, ['P'] = 23, ['p'] = 23,
	['Q'] = 24, ['q'] = 24, ['R'] = 25, ['r'] = 25, ['S'] = 26, ['s'] = 26, ['T'] = 27,
	['t'] = 27, ['V'] = 28, ['v'] = 28, ['W'] = 29, ['w'] = 29, ['X'] = 30, ['x'] = 30,
	['Y'] = 31, ['y'] = 31, ['Z'] = 32, ['z'] = 32,
};

const char *ticket_text(uint64_t tag, char buf[TICKET_TEXT])
{
	for (int i = DIGITS - 1; i >= 0; i--) {
		buf[i] = alphabet[tag & 31];
		tag >>= 5;
	}
	buf[DIGITS] = '\0';
	return buf;
}

int ticket_parse(const char *text, uint64_t *ret)
{
	uint64_t tag = 0;
	int digits = 0;

	for (; *text; text++) {
		uint8_t v = values[(uint8_t)*text];

		if (*text == '-')
			continue;
		/* 13 digits are 65 bits: the first one must leave the topmost clear. */
		if (!v || digits == DIGITS || (digits == 0 && v > 16))
			return -EINVAL;
		tag = tag << 5 | (uint64_t)(v - 1);
		digits++;
	}
	if (digits != DIGITS)
		return -EINVAL;
	*ret = tag;
	return 0;
}
