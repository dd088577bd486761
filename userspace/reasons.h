/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words that a refused sender reads, by number: an operator's reason for a deny, a list's
 * message.
 *
 * A verdict in RAM has one byte for its reason; this is the table behind it. Words are kept once
 * however many verdicts name them, and for good: numbers never change their meaning while the
 * daemon runs. Reading never waits; any thread.
 */
#ifndef GREYGATE_REASONS_H
#define GREYGATE_REASONS_H

#include <stdint.h>

#define REASONS_MAX 254 /* different words; 0 means none, 255 is taken */

/* The number of these words, new or known. 0 for NULL, for "", and when the table is full. */
uint8_t reasons_number(const char *words);
/* The words of a number, or NULL. */
const char *reasons_words(uint8_t number);

#endif
