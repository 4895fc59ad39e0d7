# What pages say of what is not part of a submission
s,Documentation/admin-guide/vfcapctl.rst,vfcapctl(8),
/^Documentation\/admin-guide\/vfcap-hardware.rst has what it was tried on\.$/d
/^Documentation\/admin-guide\/vfcap-clients.rst has what QEMU and others do\.$/d
s/ The man pages of the modules$//
/^are Documentation\/admin-guide\/vfcap-vfio-pci.rst and/d
/^What differs between kernels is in /,/^$/d
