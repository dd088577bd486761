// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Batches over a map: a thousand entries a system call, and the only way to see each entry of a
 * hash that others change meanwhile (going by the next key starts over when the key is gone).
 */
#include "internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

#define WALK_BATCH 1024
#define WALK_BATCH_MAX (1 << 20)

int walk_map_locked(int fd, pthread_mutex_t *lock, walk_fn see, void *arg)
{
	struct bpf_map_info info = {};
	__u32 info_size = sizeof(info), n, room = WALK_BATCH;
	/* A bucket number or a key, by map type. */
	char where[64] = {};
	char *keys = NULL, *values = NULL;
	bool first = true, last = false;
	int code = 0;

	if (bpf_obj_get_info_by_fd(fd, &info, &info_size))
		return -errno;
	while (!code) {
		if (!keys) {
			keys = malloc((size_t)room * info.key_size);
			values = malloc((size_t)room * info.value_size);
			if (!keys || !values) {
				code = -ENOMEM;
				break;
			}
		}
		n = room;
		if (lock)
			pthread_mutex_lock(lock);
		code = bpf_map_lookup_batch(fd, first ? NULL : where, where, keys, values, &n,
					    NULL);
		if (n && (!code || code == -ENOENT))
			last = see(keys, values, n, arg);
		if (lock)
			pthread_mutex_unlock(lock);
		if (code == -ENOSPC && n == 0 && room < WALK_BATCH_MAX) {
			/* A bucket of the hash holds more than the batch. */
			free(keys);
			free(values);
			keys = values = NULL;
			room *= 2;
			code = 0;
			continue;
		}
		first = false;
		if (last)
			break;
	}
	free(keys);
	free(values);
	return code == -ENOENT ? 0 : code;
}

int walk_map(int fd, walk_fn see, void *arg)
{
	return walk_map_locked(fd, NULL, see, arg);
}

static int count_batch(const void *keys, const void *values, uint32_t n, void *arg)
{
	(void)keys;
	(void)values;
	*(size_t *)arg += n;
	return 0;
}

int walk_count(int fd, size_t *ret)
{
	size_t count = 0;
	int code = walk_map(fd, count_batch, &count);

	if (!code)
		*ret = count;
	return code;
}
