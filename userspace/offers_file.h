/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was known of the mail servers, in state_dir/offers, so that a start while they are down need
 * not guess. Text: a line that says what it is, then one for each server:
 *
 *   greygate offers 1
 *   192.0.2.25:25 52428800 PIPELINING SIZE 8BITMIME
 */
#ifndef GREYGATE_OFFERS_FILE_H
#define GREYGATE_OFFERS_FILE_H

#include "daemon.h"

#define OFFERS_FILE "offers"

/* Replaces it whole or not at all. 0 or -errno. */
int offers_file_write(const char *state_dir, const struct offer *list, int count);
/* How many there are, `max` at most, each of them known; -ENOENT; -EINVAL: it isn't such a file,
 * and nothing of it is to be believed. */
int offers_file_read(const char *state_dir, struct offer *ret, int max);

#endif
