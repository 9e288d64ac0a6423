"""Draws one sample of a run in time: the passes of every stage, the tokens that travel up and the rollbacks that come back.

usage: timeline.py results.h5 [--experiment N] [--sample ROW] [--tokens A-B | --seconds A-B] --out FILE
"""

import argparse
import sys

import h5py
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402: the backend is chosen first
import numpy as np  # noqa: E402

PASS_COLOURS = {"prefill": "#b9bfc6", "draft": "#8fb8de", "verify": "#7cc08f"}
MESSAGE_COLOURS = {"tokens": "#4477aa", "correction": "#cc3333", "progress": "#b9bfc6"}
BAR = 0.46  # height of a pass


def columns(group: h5py.Group) -> dict[str, np.ndarray]:
    """The columns of a table; enumerations as their names."""
    table = {}
    for name, data in group.items():
        if not isinstance(data, h5py.Dataset):
            continue
        names = h5py.check_enum_dtype(data.dtype)
        table[name] = data[:]
        if names:
            by_value = {value: key for key, value in names.items()}
            table[name] = np.array([by_value[value] for value in data[:]], dtype=object)
    return table


def rows_of_sample(group: h5py.Group, sample: int) -> dict[str, np.ndarray]:
    table = columns(group)
    chosen = table["sample"] == sample
    return {name: values[chosen] for name, values in table.items()}


def span(text: str, kind: type) -> tuple:
    first, _, last = text.partition("-")
    try:
        return kind(first), kind(last)
    except ValueError:
        raise SystemExit(f"timeline: {text} is not a range (two numbers with a dash, as in 40-60)") from None


def window(samples: h5py.Group, row: int, arguments) -> tuple[float, float]:
    """Begin and end of what is drawn, on the run's clock."""
    first_token = samples["first_token"][row]
    if arguments.seconds:
        begin, end = span(arguments.seconds, float)
        return first_token + begin, first_token + end
    first, last = samples["commit_time/offsets"][row:row + 2]
    times = samples["commit_time/values"][first:last]
    begin, end = span(arguments.tokens, int)
    if not 0 <= begin < end or begin >= len(times):
        raise SystemExit(f"timeline: --tokens {arguments.tokens} (the sample has {len(times)} tokens): choose a part of them")
    return times[begin], times[min(end, len(times) - 1)]


def draw_passes(axes, stage: int, steps: dict, begin: float, end: float):
    given_up = steps.get("given_up", np.zeros(len(steps["end"])))  # older files have no such column
    for i in np.flatnonzero((steps["end"] >= begin) & (steps["begin"] <= end)):
        left = 1e3 * (steps["begin"][i] - begin)
        width = max(1e3 * (steps["end"][i] - steps["begin"][i]), 0.05)
        axes.barh(stage, width, BAR, left, color=PASS_COLOURS[steps["kind"][i]], edgecolor="#333333", linewidth=0.6,
                  hatch="////" if given_up[i] else None)
        if width > 0.02 * 1e3 * (end - begin):
            label = f"+{steps['appended'][i]}"
            if steps["offered"][i]:
                label += f"\n{steps['accepted'][i]}/{steps['offered'][i]}"
            axes.text(left + width / 2, stage, label, ha="center", va="center", fontsize=7, clip_on=True)


def draw_messages(axes, stage: int, received: dict, peers: dict[int, dict], begin: float, end: float):
    """One arrow for each message that `stage` received: from the moment its peer sent it."""
    counts: dict = {}
    for i in np.flatnonzero(received["direction"] == "received"):
        kind, peer = received["kind"][i], int(received["peer"][i])
        if kind not in MESSAGE_COLOURS:
            continue
        sent = peers[peer]
        same = (sent["direction"] == "sent") & (sent["kind"] == kind) & (sent["peer"] == stage)
        number = counts.get((kind, peer), 0)  # links keep their order
        counts[kind, peer] = number + 1
        times = sent["time"][same]
        if number >= len(times) or received["time"][i] < begin or times[number] > end:
            continue
        direction = 1 if stage > peer else -1
        axes.annotate("", xytext=(1e3 * (times[number] - begin), peer + direction * BAR / 2),
                      xy=(1e3 * (received["time"][i] - begin), stage - direction * BAR / 2), annotation_clip=True,
                      arrowprops={"arrowstyle": "-|>", "color": MESSAGE_COLOURS[kind], "linewidth": 1.0 if kind != "progress" else 0.6,
                                  "shrinkA": 0, "shrinkB": 0})


def draw(file: h5py.File, arguments):
    name = str(arguments.experiment)
    if name not in file["experiments"]:
        raise SystemExit(f"timeline: --experiment {name} (the file has 0 to {len(file['experiments']) - 1})")
    experiment = file["experiments"][name]
    samples, stages = experiment["samples"], experiment["stages"]
    if arguments.sample >= len(samples["start"]):
        raise SystemExit(f"timeline: --sample {arguments.sample} (the experiment has rows 0 to {len(samples['start']) - 1})")
    begin, end = window(samples, arguments.sample, arguments)
    order = sorted(stages, key=int)
    messages = {int(s): rows_of_sample(stages[s]["messages"], arguments.sample) for s in order}

    figure, axes = plt.subplots(figsize=(11, 1.2 + 1.05 * len(order)), layout="constrained")
    for s in order:
        draw_passes(axes, int(s), rows_of_sample(stages[s]["steps"], arguments.sample), begin, end)
        draw_messages(axes, int(s), messages[int(s)], messages, begin, end)
    axes.set_xlim(0, 1e3 * (end - begin))
    axes.set_ylim(-0.6, len(order) - 0.4)
    axes.set_yticks(range(len(order)), [stages[s].attrs["name"] for s in order])
    axes.set_xlabel("ms")
    sample = samples["id"][arguments.sample].decode().rstrip("\0")
    axes.set_title(f"{experiment.attrs['label']}, {sample}", fontsize=10, loc="left")
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in PASS_COLOURS.values()]
    handles += [plt.Line2D([], [], color=colour) for colour in MESSAGE_COLOURS.values()]
    axes.legend(handles, [*PASS_COLOURS, "tokens", "correction (rollback)", "progress"], ncols=6, fontsize=7,
                loc="lower right", bbox_to_anchor=(1, 1.0), frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(arguments.out, dpi=150)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results")
    parser.add_argument("--experiment", type=int, default=0)
    parser.add_argument("--sample", type=int, default=0, help="row of the experiment's samples")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--tokens", default="0-30", help="from the commit of the first to that of the last")
    part.add_argument("--seconds", help="from the first token on")
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    try:
        file = h5py.File(arguments.results)
    except OSError as error:
        raise SystemExit(f"timeline: {arguments.results} cannot be read ({error}): give the results.h5 of a run") from None
    with file:
        draw(file, arguments)


if __name__ == "__main__":
    sys.exit(main())
