// Copyright (c) 2026 Longshore contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// A small program without dependencies.
package main

import "os"

func main() {
	os.Stdout.WriteString("hello from Go\n")
}
