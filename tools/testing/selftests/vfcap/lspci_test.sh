#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# lspci as an independent reader of a VF's virtual config space: it must find
# the PASID capability, its content, and the list around it.

cd "$(dirname "$0")" || exit 1
tests=0 failed=0

result()		# NAME
{
	local status=$?
	tests=$((tests + 1))
	if [ $status = 0 ]; then
		echo "ok $tests $1"
	else
		echo "not ok $tests $1"
		failed=$((failed + 1))
	fi
}

guest()			# [CTRL]
{
	./dump "$VFCAP_VF" "$@" | lspci -F /dev/stdin -vvv
}

says()			# PATTERN
{
	grep -q -- "$1" <<< "$seen" || { echo "# no: $1"; false; }
}

echo "TAP version 13"
if [ -z "$VFCAP_VF" ]; then
	echo "1..0 # SKIP needs the lab's VM: VFCAP_VF"
	exit 4
fi
echo "1..6"
parameter=/sys/module/vfcap_vfio_pci/parameters/pasid
echo on > $parameter

seen=$(guest)
says '\[1e0 v1\] Process Address Space ID (PASID)'
result "lspci finds the capability"
says 'PASIDCap: Exec+ Priv+, Max PASID Width: 14'
result "lspci reads its capability register"
says 'PASIDCtl: Enable- Exec- Priv-'
result "lspci reads its control register at reset"
says '\[150 v1\] Alternative Routing-ID' && says '\[100 v1\] Advanced Error'
result "lspci finds the VF's own capabilities"
seen=$(guest 7)
says 'PASIDCtl: Enable+ Exec+ Priv+'
result "lspci reads what the guest wrote"
echo off > $parameter
seen=$(guest)
says '\[150 v1\] Alternative Routing-ID' && ! says 'PASID' > /dev/null
result "lspci finds none with pasid=off"

echo auto > $parameter
echo "# Totals: pass:$((tests - failed)) fail:$failed xfail:0 xpass:0 skip:0 error:0"
exit $((failed > 0))
