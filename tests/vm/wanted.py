# SPDX-License-Identifier: GPL-2.0-or-later
"""A made core by name, or a skip with the reason why it could not be made."""

import pytest

import cores
import vm as lab


def core(name):
    try:
        return cores.core(name)
    except lab.LabError as e:
        pytest.skip(str(e))
