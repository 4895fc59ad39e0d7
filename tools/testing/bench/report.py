#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# What the benchmark found: a table, and all of it as JSON and for gnuplot
#
# Usage: report.py FOLDER, with the logs "instructions", "times" and "guests" of the
# programs. Leaves bench.json, ratios.dat and lock.dat there, and ends with status 1
# if a goal was missed.
import collections
import json
import os
import statistics
import sys

# What is to be at most so many times what it is with vfio-pci
RATIOS = [
    ("read-hardware", "config read outside: the hardware's register", 1.02),
    ("read-core", "config read outside: a register that core keeps", 1.02),
    ("read-inside", "config read inside, of PASID", 1.00),
    ("write-hardware", "config write outside: the hardware's register", 1.05),
    ("write-core", "config write outside: a register that core keeps", 1.05),
    ("bar-mmap", "BAR access by mmap()", 1.02),
    ("bar-read", "BAR access by read()", 1.10),
    ("bind-to-read-with-flr", "bind, open, first config read", 1.10),
    ("attach-detach", "PASID attach and detach, Enable set", 1.02),
    ("clear-1", "clear Enable with 1 PASID : 1 detach", 1.05),
    ("clear-16", "clear Enable with 16 PASIDs : 16 detaches", 1.05),
    ("clear-256", "clear Enable with 256 PASIDs : 256 detaches", 1.05),
]
# Parts of these
PARTS = [
    ("bar-write", "BAR access by write()"),
    ("bind-to-read", "bind to first read, of a VF without FLR"),
    ("bind-to-read-alone", "the same, of a PF's only VF"),
    ("bind", "bind"),
    ("open", "open"),
    ("first-read", "first config read, which decides what is shown"),
    ("attach", "PASID attach"),
    ("detach", "PASID detach"),
]
FLAT = ("first-access", "first access, which locks PASID, beside 1 to 1,000 VFs", 1.05)
MEMORY = ("memory", "memory of a bound VF, over vfio-pci's", 1024)
GUEST = ("guest-read", "PASID register, read in a nested guest")
# QEMU serves it from the same memory as capabilities that it synthesises.
GUEST_QEMU = ("guest-read-qemu", "the list's first header, which QEMU keeps by itself")


class Log:
    """Samples of one program, in ticks without what it takes to measure them"""

    def __init__(self, path):
        self.samples = collections.defaultdict(list)
        self.notes = []
        self.unit = 1.0
        if not os.path.exists(path):
            return
        for line in open(path, errors="replace"):
            words = line.split()
            if len(words) > 4 and words[0] == "sample":
                self.samples[tuple(words[1:4])] += map(int, words[4:])
            elif words[:1] == ["clock"]:
                self.unit = int(words[2]) / int(words[1])
            elif line.startswith(("qemu", "guest:", "bench: theirs")):
                self.notes.append(line.strip())

    def all(self, name, who, part=None):
        """All samples of one side, the control's apart"""
        values = []
        for (n, w, s), v in self.samples.items():
            if (n, w) == (name, who) and s == (part or s):
                values += v
        nothing = self.samples.get(("nothing", "ours", "first"))
        over = statistics.median(nothing) if nothing else 0
        if name in (MEMORY[0], GUEST[0], GUEST_QEMU[0]):
            over = 0
        return [v - over for v in values]

    def summary(self, name, who, part=None, unit=1.0):
        values = sorted(v * unit for v in self.all(name, who, part))
        if not values:
            return None
        return {
            "median": statistics.median(values),
            "first_quartile": values[len(values) // 4],
            "third_quartile": values[len(values) * 3 // 4],
            "samples": len(values),
        }


def ratio(a, b):
    return a["median"] / b["median"] if a and b and b["median"] else None


def compare(log, name, unit):
    """A measure's two sides, and the control's"""
    sides = {w: log.summary(name, w, None, unit)
             for w in ("ours", "theirs", "a", "b")}
    return {
        "ours": sides["ours"],
        "vfio-pci": sides["theirs"],
        "ratio": ratio(sides["ours"], sides["theirs"]),
        "control": ratio(sides["a"], sides["b"]),
    }


def number(value, digits=0):
    return "-" if value is None else f"{value:,.{digits}f}"


def spread(side):
    return side and side["third_quartile"] - side["first_quartile"]


class Report:
    def __init__(self, folder):
        self.folder = folder
        self.counts = Log(os.path.join(folder, "instructions"))
        self.times = Log(os.path.join(folder, "times"))
        self.guests = Log(os.path.join(folder, "guests"))
        self.goals = []
        self.json = {"measures": {}, "goals": self.goals}

    def judge(self, name, title, goal, value):
        met = value is not None and round(value, 4) <= goal
        self.goals.append({"measure": name, "what": title, "goal": goal,
                           "value": value, "met": met})
        return "met" if met else "MISSED"

    def row(self, name, title, goal=None):
        counts = compare(self.counts, name, 1.0)
        times = compare(self.times, name, self.times.unit)
        self.json["measures"][name] = {"what": title, "instructions": counts,
                                       "nanoseconds": times}
        ours, theirs = counts["ours"], counts["vfio-pci"]
        verdict = self.judge(name, title, goal, counts["ratio"]) if goal else ""
        print(f"{title:49}"
              f"{number(theirs and theirs['median']):>12}"
              f"{number(ours and ours['median']):>12}"
              f"{number(spread(ours)):>8}"
              f"{number(counts['ratio'], 3):>7}"
              f"{number(counts['control'], 3):>7}"
              f"{number(times['vfio-pci'] and times['vfio-pci']['median']):>12}"
              f"{number(times['ratio'], 2):>6}"
              f"{number(goal, 2) if goal else '':>6} {verdict}")

    def pairs(self):
        print(f"{'':49}{'instructions':>32}{'':14}{'ns':>12}")
        print(f"{'':49}{'vfio-pci':>12}{'ours':>12}{'+-':>8}{'ratio':>7}"
              f"{'a:a':>7}{'vfio-pci':>12}{'ratio':>6}{'goal':>6}")
        for name, title, goal in RATIOS:
            self.row(name, title, goal)
        print("parts of them:")
        for name, title in PARTS:
            self.row(name, title)

    def flat(self):
        name, title, goal = FLAT
        medians = {}
        self.json["measures"][name] = {"what": title, "instructions": medians}
        for n, who, part in self.counts.samples:
            if n == name:
                medians[int(part)] = self.counts.summary(n, who, part)
        values = [m["median"] for _, m in sorted(medians.items())]
        value = max(values) / values[0] if len(values) > 1 else None
        verdict = self.judge(name, title, goal, value)
        text = ", ".join(f"{n}: {number(m['median'])}"
                         for n, m in sorted(medians.items()))
        print(f"{title}\n    instructions {text}; most : with the fewest VFs "
              f"{number(value, 3)}, goal {goal:.2f}, {verdict}")

    def memory(self):
        name, title, goal = MEMORY
        ours = self.counts.summary(name, "ours")
        theirs = self.counts.summary(name, "theirs")
        value = ours and theirs and ours["median"] - theirs["median"]
        self.json["measures"][name] = {"what": title, "ours": ours,
                                       "vfio-pci": theirs}
        verdict = self.judge(name, title, goal, value)
        print(f"{title}\n    bytes: {number(ours and ours['median'])} - "
              f"{number(theirs and theirs['median'])} = {number(value)}, "
              f"goal {goal}, {verdict}")

    def guest(self):
        name, title = GUEST
        sides = {w: self.guests.summary(name, w) for w in ("ours", "theirs")}
        value = ratio(sides["ours"], sides["theirs"])
        kept = self.guests.summary(GUEST_QEMU[0], "ours")
        self.json["measures"][name] = {"what": title, "ours": sides["ours"],
                                       "QEMU": sides["theirs"], "ratio": value,
                                       GUEST_QEMU[1]: kept,
                                       "notes": self.guests.notes}
        print(title)
        print(f"    ticks of the guest's clock: QEMU's own "
              f"{number(sides['theirs'] and sides['theirs']['median'])}, ours "
              f"{number(sides['ours'] and sides['ours']['median'])}; ratio "
              f"{number(value, 3)}")
        print(f"    {GUEST_QEMU[1]}: {number(kept and kept['median'])}; ours : "
              f"this {number(ratio(sides['ours'], kept), 3)}")
        if value is None:
            for note in self.guests.notes:
                print(f"    {note}")

    def leave(self):
        measures = self.json["measures"]
        with open(os.path.join(self.folder, "ratios.dat"), "w") as f:
            for name, title, goal in RATIOS:
                m = measures[name]
                f.write(f'"{name}" {m["instructions"]["ratio"] or "nan"} '
                        f'{m["nanoseconds"]["ratio"] or "nan"} {goal}\n')
        with open(os.path.join(self.folder, "lock.dat"), "w") as f:
            for n, m in sorted(measures[FLAT[0]]["instructions"].items()):
                f.write(f'{n} {m["median"]}\n')
        with open(os.path.join(self.folder, "bench.json"), "w") as f:
            json.dump(self.json, f, indent=1)
            f.write("\n")

    def summary(self):
        met = sum(g["met"] for g in self.goals)
        missed = [g for g in self.goals if not g["met"]]
        for g in missed:
            print(f"missed: {g['what']}: {number(g['value'], 3)}, "
                  f"goal {g['goal']}")
        print(f"bench: {met} goals met, {len(missed)} missed")
        return not missed


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print("Usage: report.py FOLDER", file=sys.stderr)
        return 2
    report = Report(sys.argv[1])
    report.pairs()
    report.flat()
    report.memory()
    report.guest()
    report.leave()
    return 0 if report.summary() else 1


sys.exit(main())
