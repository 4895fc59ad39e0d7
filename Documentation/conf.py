# SPDX-License-Identifier: GPL-2.0-only
"""
How "make docs" has Sphinx build these pages outside of a kernel tree; there they
are part of the kernel's own.

The directives are those of the kernel: its source is at $kernel_source, from where
kernel-doc, the reader of ABI files and the automatic cross-references are taken.
"""
import os
import sys

# pylint: disable=invalid-name, redefined-builtin

sys.path.insert(0, os.path.join(os.environ["kernel_source"], "Documentation/sphinx"))

extensions = [
    "automarkup",
    "kernel_abi",
    "kerneldoc",
    "kfigure",
]
kerneldoc_srctree = os.environ["srctree"]

project = "vfcap"
author = "The vfcap authors"
copyright = "The vfcap authors"
version = release = os.environ.get("vfcap_version", "")
master_doc = "index"
primary_domain = "c"
highlight_language = "none"
smartquotes = False
suppress_warnings = ["config.cache"]

# Warnings are errors: what is the kernel's own is described there.
nitpick_ignore_regex = [
    ("c:identifier", r"(__)?[us](8|16|32|64)|size_t|bool|ulong|ssize_t"),
    ("c:identifier", r"pci_dev|pci_vfcap_vf|vfio_device|module|device|errno"),
]
c_id_attributes = ["__user", "__iomem", "__counted_by", "__printf"]

html_theme = "alabaster"
html_title = "vfcap"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "description": "PASID and PRI of a PF, shown in its VFs",
    "page_width": "1200px",
    "sidebar_width": "260px",
    "font_family": "sans-serif",
    "fixed_sidebar": True,
    "show_powered_by": False,
}
