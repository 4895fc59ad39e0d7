# Pages that are not part of a submission
s,Documentation/admin-guide/vfcapctl.rst,vfcapctl(8),
/^Documentation\/admin-guide\/vfcap-hardware.rst has what it was tried on\.$/,+1d
/^Documentation\/admin-guide\/vfcap-clients.rst has what QEMU and others do\.$/d
