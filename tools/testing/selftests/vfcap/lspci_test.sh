#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# lspci as an independent reader of a VF's virtual config space: it must find the PASID
# capability, its contents, and the list around it.

cd "$(dirname "$0")" || exit 1
# shellcheck source-path=SCRIPTDIR source=tap.sh
. ./tap.sh

guest()			# [CTRL]
{
	./dump "$VFCAP_VF" "$@" | lspci -F /dev/stdin -vvv
}

start 6 "$VFCAP_VF" VFCAP_VF
parameter=/sys/module/vfcap_vfio_pci/parameters/pasid
echo on > $parameter

seen=$(guest)
like "$seen" '\[1e0 v1\] Process Address Space ID (PASID)'
result "lspci finds the capability"
like "$seen" 'PASIDCap: Exec+ Priv+, Max PASID Width: 14'
result "lspci reads its capability register"
like "$seen" 'PASIDCtl: Enable- Exec- Priv-'
result "lspci reads its control register at reset"
like "$seen" '\[150 v1\] Alternative Routing-ID' && like "$seen" '\[100 v1\] Advanced Error'
result "lspci finds the VF's own capabilities"
seen=$(guest 7)
like "$seen" 'PASIDCtl: Enable+ Exec+ Priv+'
result "lspci reads what the guest wrote"
echo off > $parameter
seen=$(guest)
like "$seen" '\[150 v1\] Alternative Routing-ID' && ! like "$seen" 'PASID' > /dev/null
result "lspci finds none with pasid=off"

echo auto > $parameter
ktap_finished
