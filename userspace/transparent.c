// SPDX-License-Identifier: GPL-2.0-or-later
#include "transparent.h"

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

int transparent_allow(int fd, int family)
{
	int one = 1, rc;

	if (family == AF_INET)
		rc = setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &one, sizeof(one));
	else
		rc = setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &one, sizeof(one));
	return rc ? -errno : 0;
}

int transparent_socket(const struct endpoint *e)
{
	struct sockaddr_storage sa;
	int one = 1, fd, rc;
	socklen_t len;

	len = addr_to_sockaddr(e, &sa);
	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Many of them share an address and a port, each towards another peer; a port of the
	 * kernel's choice is chosen when the peer is known. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	rc = transparent_allow(fd, sa.ss_family);
	if (!rc && bind(fd, (struct sockaddr *)&sa, len))
		rc = -errno;
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}
