"""A training that reads the files of a folder and computes for some seconds: `read_files.py FOLDER SECONDS`.

It prints the seconds that reading took, and the processor time of the whole.
"""

import os
import sys
import time

folder, seconds = sys.argv[1], float(sys.argv[2])
began = time.perf_counter()
for name in sorted(os.listdir(folder)):
    with open(os.path.join(folder, name), "rb") as file:
        file.read()
read_s = time.perf_counter() - began
# A fixed amount of work, about so many seconds of it on the machine that the figures are from.
value = 0
for step in range(int(seconds * 12_000_000)):
    value += step & 3
print(read_s, time.process_time())
