#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own tests of page requests, with iommufd's mock device: those that the
# patches in tools/testing/lab/kernels/iopf add, and the existing ones. With
# VFCAP_IOMMUFD_ALL=1, all of the kernel's iommufd tests, which take long.

tests=$VFCAP_MODULES/iommu/iommufd
if [ ! -x "$tests" ]; then
	echo "1..0 # SKIP this kernel has no mock device"
	exit 4
fi

modprobe iommufd
[ "$VFCAP_IOMMUFD_ALL" ] ||
	set -- -V no_viommu -f iommufd_iopf -f iommufd_device_pasid -f iommufd_viommu
exec "$tests" "$@"
