# SPDX-License-Identifier: GPL-2.0-or-later
"""Small random Kconfig trees, in our own words, and random .configs for them: every rule of the language in a few lines.

A tree has no cycle by construction: an expression speaks of symbols further up only, a select or imply of symbols
further down, a choice's member of what stands above its choice. Two conditions never meet in real trees that do here.
"""
import re

TYPES = ("bool", "bool", "tristate", "tristate", "tristate", "int", "hex", "string")
NUMBERS = ("0", "1", "5", "17", "-3", "64", "0x10", "0xff", "1000000")
TEXTS = ('""', '"a"', '"two words"', '"with \\"quotes\\""', '"64"', '"y"')


class Small:
    """One tree: text is its Kconfig, types {name: type}."""

    def __init__(self, draw, version):
        self.draw, self.version = draw, version
        self.old = version < (6, 11)  # choices have a value, may be tristate and optional
        self.lines, self.types, self.known, self.later = ['mainmenu "A small tree"'], {}, [], []
        count = draw.randint(8, 30)
        self.names = [f"S{i}" for i in range(count)]
        for name in self.names:
            self.types[name] = draw.choice(TYPES)
        self.add("config MODULES", '\tbool "Modules"', "\tmodules" if version >= (5, 13) else "\toption modules", *(["\tdefault y"] if draw.random() < 0.7 else []))
        self.rest = list(self.names)
        while self.rest:
            self.block(0)
        self.text = "\n".join(self.lines) + "\n"

    def add(self, *lines):
        self.lines += lines

    def chance(self, p):
        return self.draw.random() < p

    # expressions

    def operand(self, known, constants=True):
        if known and self.chance(0.9):
            return self.draw.choice(known)
        return self.draw.choice(("UNDEFINED", "MODULES", *(("y", "n", "m") if constants else ())))

    def comparison(self, known):
        left = self.operand(known)
        kind = "bool" if left == "MODULES" else self.types.get(left, "tristate")
        if kind in ("int", "hex"):
            return f"{left} {self.draw.choice(('=', '!=', '<', '<=', '>', '>='))} {self.draw.choice(NUMBERS)}"
        if kind == "string":
            return f"{left} {self.draw.choice(('=', '!='))} {self.draw.choice(TEXTS[:3])}"
        right = self.operand(known) if self.chance(0.2) else self.draw.choice("ymn")
        signs = ["=", "<", ">="] if self.chance(0.3) else ["=", "!="]
        if "!=" in signs and (self.old or kind == "tristate" or right != "y"):  # BOOL != y takes 6.12's conf beyond its memory
            return f"{left} != {right}"
        return f"{left} {self.draw.choice([sign for sign in signs if sign != '!='])} {right}"

    def expression(self, known, depth=0):
        """An operator's two sides share no symbol and hold no constant: where they do, conf's own shortening of expressions errs."""
        kind = self.draw.random()
        if depth > 2 or kind < 0.45:
            return self.operand(known, not depth)
        if kind < 0.6:
            return "!" + (self.operand(known, not depth) if self.chance(0.7) else f"({self.expression(known, depth + 1)})")
        if kind < 0.75:
            return self.comparison(known)
        left = self.expression(known, depth + 1)
        rest = [name for name in known if not re.search(rf"\b{name}\b", left)]
        right = self.expression(rest, depth + 1) if rest else self.operand(rest, False)
        both = f"{left} {self.draw.choice(('&&', '||'))} {right}"
        return f"({both})" if depth or self.chance(0.2) else both

    def condition(self, known, p=0.4):
        return f" if {self.expression(known)}" if self.chance(p) else ""

    # entries

    def default(self, kind, known):
        if kind in ("bool", "tristate"):
            return self.draw.choice("ymn") if self.chance(0.5) else self.expression(known)
        same = [name for name in known if self.types.get(name) == kind]
        if same and self.chance(0.3):
            return self.draw.choice(same)
        if kind == "string":
            return self.draw.choice(TEXTS)
        return self.draw.choice([n for n in NUMBERS if (kind == "hex" or "x" not in n) and "-" not in n])

    def body(self, name, known, member=False):
        kind = self.types[name]
        if self.version >= (6, 18) and not member and self.lines[-1] != f"config {name}" and self.chance(0.15):
            self.add(f"\t{kind}", "\ttransitional")
            return
        prompt = f' "About {name}"' + self.condition(known, 0.3) if member or self.chance(0.7) else ""
        self.add(f"\t{kind}{prompt}")
        for _ in range(self.draw.choice((0, 0, 1, 1, 2))):
            self.add(f"\tdepends on {self.expression(known)}" + (self.condition(known) if self.version >= (7, 0) else ""))
        if member:
            return
        for _ in range(self.draw.choice((0, 1, 1, 2))):
            self.add(f"\tdefault {self.default(kind, known)}{self.condition(known)}")
        if kind in ("int", "hex") and self.chance(0.4):
            low, high = ("2", "100") if kind == "int" else ("0x2", "0x40")
            self.add(f"\trange {low} {high}{self.condition(known)}")
        targets = [n for n in self.rest if self.types[n] in ("bool", "tristate") and n != name]
        if kind in ("bool", "tristate") and targets:
            for _ in range(self.draw.choice((0, 0, 0, 1, 2))):
                self.add(f"\t{self.draw.choice(('select', 'select', 'imply'))} {self.draw.choice(targets)}{self.condition(known)}")

    def entry(self):
        name = self.rest.pop(0)
        known = list(self.known)
        at = len(self.lines)
        self.body(name, known)
        keyword = "menuconfig" if ' "About' in self.lines[at] and self.chance(0.3) else "config"
        self.lines.insert(at, f"{keyword} {name}")
        if self.chance(0.08) and "\ttransitional" not in self.lines[at:]:  # and once more, in another place
            self.add(f"config {name}")
            self.body(name, known)
        if not self.old:  # what follows and depends on not NAME would be spoilt: 6.12's conf changes it when it looks for submenus
            self.add('comment "Between"')
        self.known.append(name)

    def choice(self):
        known = list(self.known)
        members = [self.rest.pop(0) for _ in range(min(len(self.rest), self.draw.randint(1, 4)))]
        kind = "tristate" if self.old and self.chance(0.4) else "bool"
        self.add("choice", f'\tprompt "One of {len(members)}"{self.condition(known, 0.3)}')
        if self.old and self.chance(0.3):
            self.add("\toptional")
        if self.chance(0.3):
            self.add(f"\tdepends on {self.expression(known)}")
        for _ in range(self.draw.choice((0, 1, 2))):
            self.add(f"\tdefault {self.draw.choice(members)}{self.condition(known)}")
        for i, name in enumerate(members):
            self.types[name] = "bool" if kind == "bool" or (i and self.chance(0.2)) else "tristate"
            self.add(f"config {name}")
            self.body(name, known, member=True)
        self.add("endchoice")
        self.known += members

    def block(self, depth):
        kind = self.draw.random()
        if depth > 2 or kind < 0.6 or not self.rest:
            if self.rest:
                self.entry()
            return
        if kind < 0.75:
            self.choice()
        elif kind < 0.8:
            self.add('comment "A comment"', f"\tdepends on {self.expression(self.known)}")
        else:
            menu = self.chance(0.6)
            if menu:
                self.add(f'menu "Menu {len(self.lines)}"')
                if self.chance(0.4):
                    self.add(f"\tdepends on {self.expression(self.known)}")
                if self.chance(0.4):
                    self.add(f"\tvisible if {self.expression(self.known, 1)}")
            else:
                self.add(f"if {self.expression(self.known)}")
            for _ in range(self.draw.randint(1, 4)):
                self.block(depth + 1)
            self.add("endmenu" if menu else "endif")

    def wishes(self):
        """A .config: some lines, some of them of no use."""
        lines = []
        for name in self.draw.sample(self.names, self.draw.randint(1, len(self.names))) + ["MODULES"]:
            kind = self.types[name] if name in self.types else "bool"
            if kind in ("bool", "tristate"):
                value = self.draw.choice("ymn")
            elif kind == "string":
                value = self.draw.choice(TEXTS)
            else:
                value = self.draw.choice(NUMBERS)
            lines.append(f"# CONFIG_{name} is not set" if value == "n" else f"CONFIG_{name}={value}")
        return "\n".join(lines) + "\n"

    def write(self, folder):
        """As a tree that both conf and us can open."""
        (folder / "arch/x86").mkdir(parents=True)
        (folder / "arch/x86/Kconfig").write_text("")
        (folder / "Makefile").write_text(f"VERSION = {self.version[0]}\nPATCHLEVEL = {self.version[1]}\nSUBLEVEL = 0\nEXTRAVERSION =\n")
        (folder / "Kconfig").write_text(self.text)
