# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Shared by the tests of the packages: $PACKAGES/old has a release, and $PACKAGES/new newer
# packages that differ only in their version. They are made again when the checkout has
# changed.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Relative to the checkout
PACKAGES=build/deb-test

make_packages()
{
	local made=$PACKAGES/made

	need_root
	cd "$TOP_DIR"
	scripts/dist build/deb-test-dist > /dev/null
	! cmp -s build/deb-test-dist/*.xz $made || return 0
	rm -rf $PACKAGES
	"$LAB_DIR/release" $PACKAGES/old > /dev/null
	"$LAB_DIR/deb" --test-version "$(scripts/version)+next" $PACKAGES/new > /dev/null
	cp build/deb-test-dist/*.xz $made
}

# Runs in a copy of the root; leaves what DKMS built in $PACKAGES/modules.
test_in_root()
{
	local ROOT_WRITABLE=copy ROOT_LAYER

	"$LAB_DIR/setup" packaging
	ROOT_LAYER=$(layer_dir packaging)/layer
	in_root /vfcap/tools/testing/lab/deb-root-test /vfcap/$PACKAGES
}

# Runs in a VM, where vfcap is neither loaded nor installed.
test_in_vm()		# KERNEL HOW HOST
{
	"$LAB_DIR/vm" --kernel "$1" --timeout 3600 -- \
		/vfcap/tools/testing/lab/vm-deb "$2" "$3" /vfcap/$PACKAGES
}

need_modules()
{
	[ -e $PACKAGES/modules/made ] || test_in_root > $PACKAGES/root-test.log ||
		die "what DKMS builds cannot be had: $PACKAGES/root-test.log"
}
