#!/bin/sh
# Builds the Debian package: build.sh VERSION OUT_DIRECTORY SOURCE... (see `make deb`), from a copy of these sources;
# the package's changelog has one entry, made from CHANGELOG.md.
set -eu
version=$1 out=$2
shift 2

for tool in dpkg-buildpackage dh lintian; do
	command -v "$tool" >/dev/null || { echo "deb: $tool is not installed: run 'make deps-check'" >&2; exit 1; }
done
released=$(sed -n "s/^## \[$version\] - //p" CHANGELOG.md)
if [ -z "$released" ]; then
	echo "deb: CHANGELOG.md has no entry for version $version" >&2
	exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
tree=$work/mudlark-$version
mkdir -p "$tree" "$out"
tar -c --exclude='*.mud' "$@" | tar -x --no-same-owner -C "$tree"
cp -r tools/debian "$tree/debian"
printf 'mudlark (%s) unstable; urgency=medium\n\n  * See /usr/share/doc/mudlark/changelog.gz.\n\n -- %s  %s\n' \
	"$version" "$(sed -n 's/^Maintainer: //p' tools/debian/control)" "$(date -u -R -d "$released")" >"$tree/debian/changelog"

# The outer make's variables are not this build's.
(cd "$tree" && env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS dpkg-buildpackage -b -us -uc)
cp "$work"/*.deb "$out"
lintian --fail-on error --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog \
	"$out/mudlark_${version}_amd64.deb"
echo "built $out/mudlark_${version}_amd64.deb"
