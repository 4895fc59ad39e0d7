#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The uAPI header as another language sees it

Reads include/uapi/linux/vfio_vfcap.h, and from nothing else makes what a VMM in
Python would need: constants, enumerations, layouts of structures. With these it
asks a VF what it shows, moves its PASID capability, and takes and restores its
registers. KTAP on stdout.
"""
import errno
import fcntl
import os
import re
import struct
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
HEADER = os.path.join(HERE, "vfio_vfcap.h")
if not os.path.exists(HEADER):  # built where this lies
    HEADER = os.path.join(HERE, "../../../../include/uapi/linux/vfio_vfcap.h")
FORMATS = {"__u8": "B", "__u16": "H", "__u32": "I", "__u64": "Q", "__s32": "i"}


class Binding:
    """Constants as attributes, structures as pack() and unpack()"""

    def __init__(self, path):
        with open(path, encoding="utf-8") as header:
            text = re.sub(r"/\*.*?\*/", "", header.read(), flags=re.S)
        self.structs = {}
        for name, value in re.findall(r"^#define\s+(VFCAP_\w+)\s+(.+)$", text, re.M):
            setattr(self, name, eval(re.sub(r"(\d)U(LL)?\b", r"\1", value)))
        for body in re.findall(r"enum \w+ \{(.*?)\};", text, re.S):
            for value, name in enumerate(re.findall(r"VFCAP_\w+", body)):
                setattr(self, name, value)
        for name, body in re.findall(r"struct (\w+) \{(.*?)\};", text, re.S):
            self.structs[name] = re.findall(
                r"(struct \w+|__\w+)\s+(\w+)(?:\[(\w+)\])?;", body)

    def fields(self, name, prefix=""):
        """Each scalar of a structure: its name and format"""
        for kind, field, count in self.structs[name]:
            size = None
            if count:
                size = int(count) if count.isdigit() else getattr(self, count)
            for i in range(size or 1):
                path = prefix + field + (f"[{i}]" if size else "")
                if kind.startswith("struct "):
                    yield from self.fields(kind[7:], path + ".")
                else:
                    yield path, FORMATS[kind]

    def layout(self, name):
        # "@": aligned like the C compiler does. A header without holes does not depend on
        # that.
        aligned = "@" + "".join(f for _, f in self.fields(name))
        packed = "=" + aligned[1:]
        if struct.calcsize(aligned) != struct.calcsize(packed):
            raise ValueError(f"struct {name} has a hole")
        return packed

    def pack(self, name, **values):
        known = [path for path, _ in self.fields(name)]
        unknown = set(values) - set(known)
        if unknown:
            raise ValueError(f"struct {name} has no {unknown}")
        return struct.pack(self.layout(name), *(values.get(p, 0) for p in known))

    def unpack(self, name, data):
        return dict(zip((p for p, _ in self.fields(name)),
                        struct.unpack(self.layout(name), data)))


# From <linux/vfio.h>
def _io(number):
    return ord(";") << 8 | 100 + number


VFIO_GROUP_SET_CONTAINER = _io(4)
VFIO_GROUP_GET_DEVICE_FD = _io(6)
VFIO_SET_IOMMU = _io(2)
VFIO_DEVICE_FEATURE = _io(17)
VFIO_TYPE1V2_IOMMU = 3
GET, SET = 1 << 16, 1 << 17


class Device:
    """A VF, opened through its group"""

    def __init__(self, bdf):
        link = os.readlink(f"/sys/bus/pci/devices/{bdf}/iommu_group")
        self.container = os.open("/dev/vfio/vfio", os.O_RDWR)
        self.group = os.open("/dev/vfio/" + os.path.basename(link), os.O_RDWR)
        fcntl.ioctl(self.group, VFIO_GROUP_SET_CONTAINER,
                    struct.pack("i", self.container))
        fcntl.ioctl(self.container, VFIO_SET_IOMMU, VFIO_TYPE1V2_IOMMU)
        self.fd = fcntl.ioctl(self.group, VFIO_GROUP_GET_DEVICE_FD,
                              bytearray(bdf.encode() + b"\0"))

    def feature(self, flags, data):
        arg = bytearray(struct.pack("=II", 8 + len(data), flags) + data)
        fcntl.ioctl(self.fd, VFIO_DEVICE_FEATURE, arg)
        return bytes(arg[8:])

    def config(self, offset, size):
        return os.pread(self.fd, size, (7 << 40) + offset)

    def config_write(self, offset, data):
        os.pwrite(self.fd, data, (7 << 40) + offset)

    def close(self):
        for fd in (self.fd, self.group, self.container):
            os.close(fd)


class Tap:
    def __init__(self, plan):
        self.number = self.failed = 0
        print(f"TAP version 13\n1..{plan}")

    def check(self, name, seen, expected):
        self.number += 1
        if seen != expected:
            self.failed += 1
            print(f"# {name}: expected {expected!r}, got {seen!r}")
        print(f"{'ok' if seen == expected else 'not ok'} {self.number} {name}")


def query(api, device, cap):
    return api.unpack("vfcap_feature_query", device.feature(
        GET | api.VFCAP_FEATURE_QUERY,
        api.pack("vfcap_feature_query", cap=cap)))


def choose(api, device, **values):
    try:
        device.feature(SET | api.VFCAP_FEATURE_CHOOSE,
                       api.pack("vfcap_feature_choose", **values))
    except OSError as error:
        return error.errno
    return 0


def run(api, device, tap):
    tap.check("a place that is taken is refused",
              choose(api, device, cap=api.VFCAP_CAP_PASID,
                     flags=api.VFCAP_CHOOSE_OFFSET, offset=0x150), errno.EINVAL)
    tap.check("another one is not",
              choose(api, device, cap=api.VFCAP_CAP_PASID,
                     flags=api.VFCAP_CHOOSE_OFFSET, offset=0x300), 0)
    pasid = query(api, device, api.VFCAP_CAP_PASID)
    tap.check("to answer page requests and to hide PRI contradict each other",
              choose(api, device, cap=api.VFCAP_CAP_PRI,
                     flags=api.VFCAP_CHOOSE_ANSWERS | api.VFCAP_CHOOSE_HIDE),
              errno.EINVAL)
    tap.check("to answer them is accepted, wherever they come from",
              choose(api, device, cap=api.VFCAP_CAP_PRI,
                     flags=api.VFCAP_CHOOSE_ANSWERS), 0)
    tap.check("and changes nothing where none come",
              query(api, device, api.VFCAP_CAP_PRI)["flags"] &
              api.VFCAP_QUERY_DELIVERABLE, 0)
    tap.check("it is planned to be there",
              (pasid["offset"], pasid["step"],
               pasid["flags"] & api.VFCAP_QUERY_COMMITTED),
              (0x300, api.VFCAP_STEP_USER, 0))
    tap.check("the choice can be taken back",
              choose(api, device, cap=api.VFCAP_CAP_PASID), 0)
    pasid = query(api, device, api.VFCAP_CAP_PASID)
    tap.check("the magic number", pasid["magic"], api.VFCAP_MAGIC)
    tap.check("how many capabilities", pasid["nr_caps"], api.VFCAP_CAP_COUNT)
    tap.check("PASID is shown where the PF has it", (pasid["offset"], pasid["step"]),
              (0x1e0, api.VFCAP_STEP_PF_OFFSET))
    tap.check("its header in config space",
              struct.unpack("=I", device.config(pasid["offset"], 4))[0] & 0xffff,
              pasid["id"])
    tap.check("PRI is not shown", query(api, device, api.VFCAP_CAP_PRI)["reason"],
              api.VFCAP_REASON_NO_ANSWERER)
    tap.check("nor is SHDW", query(api, device, api.VFCAP_CAP_SHDW)["reason"],
              api.VFCAP_REASON_NOT_APPLICABLE)

    tap.check("it is too late to choose",
              choose(api, device, cap=api.VFCAP_CAP_PASID,
                     flags=api.VFCAP_CHOOSE_OFFSET, offset=0x300), errno.EBUSY)

    failed = None
    try:
        device.feature(SET | api.VFCAP_FEATURE_PRI_FAILED,
                       api.pack("vfcap_feature_pri_failed", flags=api.VFCAP_PRI_FAILURE))
    except OSError as error:
        failed = error.errno
    tap.check("nobody has responded to a page request", failed, errno.ENODEV)

    blank = api.pack("vfcap_feature_state")
    before = device.feature(GET | api.VFCAP_FEATURE_STATE, blank)
    state = api.unpack("vfcap_feature_state", before)
    tap.check("the state's version and place",
              (state["version"], state[f"caps[{api.VFCAP_CAP_PASID}].offset"]),
              (api.VFCAP_STATE_VERSION, 0x1e0))
    device.config_write(0x1e6, b"\x07\x00")
    tap.check("Enable is set", query(api, device, api.VFCAP_CAP_PASID)["flags"],
              api.VFCAP_QUERY_EXTENDED | api.VFCAP_QUERY_ENABLED |
              api.VFCAP_QUERY_COMMITTED)
    after = device.feature(GET | api.VFCAP_FEATURE_STATE, blank)
    device.feature(SET | api.VFCAP_FEATURE_STATE, before)
    tap.check("restored: control reads 0", device.config(0x1e6, 2), b"\0\0")
    device.feature(SET | api.VFCAP_FEATURE_STATE, after)
    tap.check("restored: control reads 7", device.config(0x1e6, 2), b"\x07\0")


def main():
    bdf = os.environ.get("VFCAP_VF")
    if not bdf:
        print("TAP version 13\n1..0 # SKIP needs the lab's VM: VFCAP_VF")
        return 4
    api = Binding(HEADER)
    parameter = "/sys/module/vfcap_vfio_pci/parameters/pasid"
    with open(parameter, "w", encoding="ascii") as f:
        f.write("on")
    device = Device(bdf)
    tap = Tap(19)
    try:
        run(api, device, tap)
    finally:
        device.close()
        with open(parameter, "w", encoding="ascii") as f:
            f.write("auto")
    return int(tap.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
