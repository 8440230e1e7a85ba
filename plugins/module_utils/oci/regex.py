# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Regular expressions that users write."""

from __future__ import annotations

import re
import warnings


def compile_regex(text: str) -> re.Pattern[str]:
    """Compile a regular expression. Raises re.error for an invalid one, and for one that Python warns about.

    Python warns about text such as `[[]` or `[a||b]`, which later versions may read differently. An option must not select other images after an upgrade of
    Python, and the warning would be printed to standard error.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return re.compile(text)
        except DeprecationWarning as warning:
            # Python before 3.11 accepts flags in the middle of an expression.
            raise re.error(str(warning).lower()) from warning
        except FutureWarning as warning:
            raise re.error(f"it is ambiguous ({str(warning).lower()}); put a backslash before the special character") from warning
