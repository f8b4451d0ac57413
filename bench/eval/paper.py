# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The numbers of the 2025 paper that this evaluation reproduces, as printed there, and the bars that cay has set itself."""

# Milliseconds: natively, in a Docker container, as WASI program. http: for one request.
TIMES = {"sha256": {"native": 140, "container": 160, "wasm": 165}, "records": {"native": 230, "container": 250, "wasm": 275},
         "http": {"native": 12, "container": 14, "wasm": 15}}
# Megabytes, from the smallest to the largest of the three.
SIZES = {"native": (2.1, 4.8), "container": (18, 35), "wasm": (1.3, 2.7)}
# Milliseconds: Docker, WASI.
COLD_STARTS = {"Raspberry Pi 4": (620, 47), "Intel NUC": (390, 33)}

# What cay's median may be of the native program's, in time.
RATIO_BARS = {"sha256": 1.05, "records": 1.10, "http": 1.10}
# What a round trip through the service may take more than natively.
TRIP_BAR_MS = 0.2
WARM_START_BAR_MS, COLD_START_BAR_MS = 3, 10
