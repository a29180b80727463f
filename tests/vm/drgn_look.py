#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""drgn_look.py DUMP [VMLINUX]: what drgn reads of a dump, as text to be compared with another dump's.

The pages whose numbers come on standard input; with symbols also tasks, their stacks, modules and the kernel log.
"""

import sys
import zlib

import drgn

prog = drgn.Program()
prog.set_core_dump(sys.argv[1])
print("release", prog["UTS_RELEASE"].string_().decode())
print("platform", prog.platform, "page", prog["PAGE_SIZE"].value_())
for pfn in sys.stdin.read().split():
    print(pfn, f"{zlib.crc32(prog.read(int(pfn, 16) * 4096, 4096, physical=True)):08x}")
if len(sys.argv) > 2:
    from drgn.helpers.linux.list import list_for_each_entry
    from drgn.helpers.linux.pid import for_each_task
    from drgn.helpers.linux.printk import get_dmesg

    prog.load_debug_info([sys.argv[2]])
    for task in for_each_task(prog):
        print("task", task.pid.value_(), task.comm.string_().decode(), hex(task.value_()), task.mm.value_() != 0)
        try:
            print(prog.stack_trace(task))
        except (ValueError, LookupError) as e:  # a task that runs and left no registers
            print("no trace:", e)
    crashed = prog.crashed_thread()
    print("crashed", crashed.tid, crashed.object.comm.string_().decode())
    print(crashed.stack_trace())
    for module in list_for_each_entry("struct module", prog["modules"].address_of_(), "list"):
        print("module", module.name.string_().decode(), hex(module.init.value_()), module.core_layout.size.value_())
    sys.stdout.write(get_dmesg(prog).decode("utf-8", "replace"))
