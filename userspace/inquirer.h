/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who waits in WAIT_RECIPIENT until the verifier has an answer: recipient.c's alone.
 */
#ifndef GREYGATE_INQUIRER_H
#define GREYGATE_INQUIRER_H

#include <stdint.h>

struct inquirer {
	uint32_t n; /* of the session */
	uint16_t generation;
	uint64_t until; /* ms, CLOCK_MONOTONIC */
};

#endif
