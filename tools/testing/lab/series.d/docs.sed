# What pages say of what is not part of a submission. Pages are named as this project's.
s,Documentation/admin-guide/vfcapctl.rst,vfcapctl(8),
/^What differs between kernels is in /,/^$/d
