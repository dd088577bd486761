// SPDX-License-Identifier: GPL-2.0-or-later
/* A successor of another version, see heir.h: heir MODE HOSTS LOCK */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "heir.h"

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	return heir_start((enum gg_mode)atoi(argv[1]), (uint32_t)atoi(argv[2]), atoi(argv[3]));
}
