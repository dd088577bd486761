// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stddef.h>

#include "mend.h"

const char *store_mend(int err)
{
	static const struct {
		int err;
		const char *text;
	} table[] = {
		{ENOSPC, "free space on that file system, or raise limit store"},
		{EDQUOT, "raise the quota of the daemon's user"},
		{EFBIG, "raise the daemon's file size limit (LimitFSIZE, ulimit -f)"},
		{EROFS, "mount it read-write or set another state_dir"},
		{EACCES, "give the directory to the daemon's user (chown)"},
		{EPERM, "give the directory to the daemon's user (chown)"},
		{ENOTDIR, "set state_dir to a directory"},
		{ENOENT, "create its parent directory, or set another state_dir"},
		{ENOMEM, "give the machine more memory, or lower limit store"},
		{EMFILE, "raise the daemon's descriptor limit (LimitNOFILE, ulimit -n)"},
		{EIO, "look for a full disk, and for disk errors in dmesg"},
		{EUCLEAN, "restart the daemon: it sets the damaged store aside"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].err == -err)
			return table[i].text;
	return "see the system log";
}
