// SPDX-License-Identifier: GPL-2.0-or-later
#include "reasons.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static _Atomic(char *) table[REASONS_MAX + 1];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

uint8_t reasons_number(const char *words)
{
	uint8_t number = 0;

	if (!words || !*words)
		return 0;
	pthread_mutex_lock(&lock);
	for (int i = 1; i <= REASONS_MAX && !number; i++) {
		char *known = atomic_load_explicit(&table[i], memory_order_relaxed);

		if (!known) {
			known = strdup(words);
			atomic_store_explicit(&table[i], known, memory_order_release);
			if (!known)
				break;
		}
		if (!strcmp(known, words))
			number = (uint8_t)i;
	}
	pthread_mutex_unlock(&lock);
	return number;
}

const char *reasons_words(uint8_t number)
{
	return number <= REASONS_MAX ? atomic_load_explicit(&table[number], memory_order_acquire)
				     : NULL;
}
