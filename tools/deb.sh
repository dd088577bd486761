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
EOT
chmod 755 "$root/DEBIAN/postinst"
dpkg-deb --root-owner-group --build "$root" "$BUILD/greygate_${VERSION}_$arch.deb"
