"""What TensorBoard itself reads in a directory of event files, one line a value, for the tests of RunStore.

    python -m pip install tensorboard && python Tests/Oracles/event_files.py DIRECTORY
"""

import sys

from tensorboard.backend.event_processing import event_accumulator

accumulator = event_accumulator.EventAccumulator(sys.argv[1], size_guidance=event_accumulator.STORE_EVERYTHING_SIZE_GUIDANCE)
accumulator.Reload()
tags = accumulator.Tags()
for tag in sorted(tags["scalars"]):
    for event in accumulator.Scalars(tag):
        print(f"scalar {tag} | {event.step} {event.value:.6g} at {event.wall_time:.3f}")
for tag in sorted(tags["histograms"]):
    for event in accumulator.Histograms(tag):
        value = event.histogram_value
        filled = [(round(edge, 6), int(count)) for edge, count in zip(value.bucket_limit, value.bucket) if count]
        print(f"histogram {tag} | {event.step} {value.num:.0f} {value.min:.6g} {value.max:.6g} {filled}")
