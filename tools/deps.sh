#!/bin/sh
# Installs what Mudlark needs on Debian 12: deps.sh build | all
#
#   build   what `make` and `make demo` need: `make deps`
#   all     the rest as well, for tests, benchmarks, packages and checks of the source: `make deps-check`
#
# Does nothing, quickly, when all of it is there. Needs root or sudo otherwise. Services that come with the packages
# (redis, memcached, nginx: the tests run their programs) are not started.
#
# The lists of packages are meant to be split into words:
# shellcheck disable=SC2086
set -eu

build='build-essential binutils pkg-config libunwind-dev libunwind8 libjemalloc-dev libxxhash-dev libdw-dev libelf-dev
	liblzma-dev libutf8proc-dev zlib1g-dev libiberty-dev libdebuginfod-dev libdebuginfod1 libjansson-dev scdoc man-db'
demo='python3 python3-dev'
bench='python3-pip'
tests='check clang lld llvm dwz xz-utils elfutils valgrind gdb strace procps util-linux file bash git perl ruby rustc golang-go
	redis-server redis-tools memcached sqlite3 nodejs nginx-light fakeroot eatmydata libjemalloc2 libmimalloc2.0 libmimalloc-dev
	libtcmalloc-minimal4 libgoogle-perftools4 libgoogle-perftools-dev heaptrack zsh fish bash-completion
	xvfb xauth gtk-3-examples
	cmake python3-pytest python3-greenlet python3-numpy python3-pandas libpython3.11 libpython3.11-testsuite python3-dbg'
package='debhelper dpkg-dev lintian'
quality='clang-tidy clang-format cppcheck shellcheck libclang-rt-14-dev'

case ${1-} in
build) needed="$build $demo" ;;
all) needed="$build $demo $tests $bench $package $quality" ;;
*)
	echo "usage: deps.sh build | all" >&2
	exit 2
	;;
esac

die() {
	echo "deps: $1" >&2
	echo "deps: needed are:" $needed >&2
	exit 1
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
	die "this is no Debian system: install these packages' contents by your system's own means"
fi

# A package that is not known at all makes dpkg-query fail and say so on stderr; those that are listed count.
installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $needed 2>/dev/null |
	sed -n 's/^installed //p') || true
missing=
for name in $needed; do
	case "
$installed
" in
	*"
$name
"*) ;;
	# Another source's package may do the work of Debian's, as a newer compiler put into PATH.
	*) case $name in
		rustc) command -v rustc >/dev/null || missing="$missing $name" ;;
		golang-go) command -v go >/dev/null || missing="$missing $name" ;;
		*) missing="$missing $name" ;;
		esac ;;
	esac
done
if [ -z "$missing" ]; then
	echo "deps: everything is installed"
	exit 0
fi
echo "deps: to be installed:$missing"

as_root=
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || die "not root and no sudo: run 'make deps' as root"
	as_root=sudo
fi

# invoke-rc.d asks this program, when there is one, whether a package may start its service: 101 is no.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ] && [ ! -L "$policy" ]; then
	trap '$as_root rm -f "$policy"' EXIT
	trap 'exit 1' HUP INT TERM
	printf '#!/bin/sh\nexit 101\n' | $as_root sh -c "cat > $policy && chmod 755 $policy"
fi

apt() {
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 "$@"
}
apt update || echo "deps: the package lists could not be renewed; going on with those that are here" >&2
apt install --no-install-recommends $missing || die "apt-get could not install:$missing"
echo "deps: done"
