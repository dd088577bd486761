#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Called by `make deb` with BUILD and VERSION: packs what `make install` lays down.
set -eu
arch=$(dpkg --print-architecture)
root=$BUILD/deb
rm -rf "$root"
make --no-print-directory BUILD="$BUILD" DESTDIR="$root" PREFIX=/usr install >/dev/null
mkdir -p "$root/DEBIAN"
chmod -R g-w "$root"
# What the programs are linked with, as the packages that hold it.
depends=$(ldd "$root/usr/sbin/greygated" "$root/usr/bin/greygate" | awk '$3 ~ "^/" {print $3}' | sort -u |
	xargs -r -n1 readlink -f | xargs -r dpkg -S 2>/dev/null | cut -d: -f1 | sort -u | paste -sd, | sed 's/,/, /g')
cat > "$root/DEBIAN/control" <<EOT
Package: greygate
Version: $VERSION
Architecture: $arch
Maintainer: The greygate developers <maintainers@greygate.invalid>
Section: mail
Priority: optional
Depends: $depends, adduser
Description: greylisting SMTP gateway on XDP and io_uring
 Strangers are stuttered and greylisted, their retries relayed live to the
 mail server, and what is learned goes into the kernel: a known sender never
 meets the gateway again.
EOT
cat > "$root/DEBIAN/postinst" <<'EOT'
#!/bin/sh
set -e
if [ "$1" = configure ] && ! getent passwd greygate >/dev/null; then
	adduser --system --group --no-create-home --home /var/lib/greygate greygate
fi
if [ -d /run/systemd/system ]; then
	systemctl --system daemon-reload || true
fi
EOT
# An upgrade leaves the old process serving until it is told to hand over, see greygated(8); without
# the package nothing of it may stay in the kernel, and nobody could take it out any more.
cat > "$root/DEBIAN/prerm" <<'EOT'
#!/bin/sh
set -e
[ "$1" = remove ] || exit 0
if [ -d /run/systemd/system ]; then
	deb-systemd-invoke stop greygated.service
else
	start-stop-daemon --stop --quiet --oknodo --retry TERM/120/KILL/5 --exec /usr/sbin/greygated
fi
greygate detach || echo "greygate: what it left in the kernel stays until the next boot" >&2
EOT
cat > "$root/DEBIAN/postrm" <<'EOT'
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
	systemctl --system daemon-reload || true
fi
EOT
chmod 755 "$root/DEBIAN/postinst" "$root/DEBIAN/prerm" "$root/DEBIAN/postrm"
# The administrator's: kept as they were changed.
(cd "$root" && find etc -type f | sed 's:^:/:') > "$root/DEBIAN/conffiles"
dpkg-deb --root-owner-group --build "$root" "$BUILD/greygate_${VERSION}_$arch.deb"
