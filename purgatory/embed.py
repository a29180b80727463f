#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The .blob section of the linked purgatory as a C array.

usage: embed.py OBJCOPY PURGATORY.elf OUT.c      ("-" instead of the ELF file: no purgatory here)
"""
import subprocess
import sys
import tempfile


def blob(objcopy, elf):
    if elf == "-":
        return b""
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run([objcopy, "-O", "binary", "-j", ".blob", elf, out.name], check=True)
        return out.read()


def main():
    objcopy, elf, out = sys.argv[1:]
    data = blob(objcopy, elf)
    rows = [", ".join(f"0x{b:02x}" for b in data[i:i + 16]) for i in range(0, len(data), 16)] or ["0"]
    with open(out, "w", encoding="ascii") as f:
        f.write("/* SPDX-License-Identifier: GPL-2.0-or-later */\n"
                "/* Made by purgatory/embed.py. */\n"
                '#include "purgatory/purgatory.h"\n\n'
                "static const uint8_t blob[] = {\n\t" + ",\n\t".join(rows) + "\n};\n\n"
                "const uint8_t *us_purgatory_blob(size_t *ret_n)\n{\n"
                f"\t*ret_n = {len(data)};\n\treturn blob;\n}}\n")


if __name__ == "__main__":
    main()
