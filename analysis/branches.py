#!/usr/bin/env python3
"""Would second candidates pay? Tables from what a drafter would have offered on a target's texts (branch_candidates.py).

    analysis/branches.py candidates.h5                      # how often the second is right, and tokens a pass
    analysis/branches.py candidates.h5 --pipeline           # the asynchronous pipeline in virtual time
    analysis/branches.py candidates.h5 --pipeline --match-map map.txt

A match map has a line a text, 1 where the drafter's token is the target's and 0 where not; how sure the drafter is, and
whether its second candidate is right, is then drawn from the positions of candidates.h5 with the same outcome.
"""

import argparse
import dataclasses
import heapq
import itertools
import pathlib
import random

import h5py
import numpy as np

NEVER = float("inf")
HOST = {1: 1.0, 2: 1.02, 4: 1.15, 8: 1.5, 16: 2.5}  # a pass by its rows, SmolLM2 on two cores
FLAT = {1: 1.0, 64: 1.0}  # a GPU that waits for the memory


@dataclasses.dataclass
class Text:
    """A target's output and what the drafter says at each of its positions. The first token is the prefill's."""

    task: str
    rank: list  # 0: the drafter's first candidate is the target's token, 1: its second, ...
    ratio: list  # probability of the second candidate / of the first
    chances: list  # of the candidates, as the drafter has it
    copies: list  # what prompt lookup offers at the position, best first: (length of the match, [token is right])

    def __len__(self):
        return len(self.rank)


# -- Texts


def lookup(view, min_match=2, max_match=5, max_tokens=8):
    """src/decoding/prompt_lookup.cpp, and the best of the matches that go on otherwise: up to two (match, copy)."""
    found = []
    for match in range(min(max_match, len(view) - 1), min_match - 1, -1):
        tail = view[-match:]
        for end in range(len(view) - 1, match - 1, -1):
            if view[end - 1] == tail[-1] and view[end - match:end] == tail and (not found or view[end] != found[0][1][0]):
                copy = view[end:end + max_tokens]
                while len(copy) < max_tokens:  # it has reached the end and repeats itself
                    copy = (copy + copy)[:max_tokens]
                found.append((match, copy))
                if len(found) == 2:
                    return found
    return found


def read_texts(path):
    texts = []
    with h5py.File(path) as file:
        prompts, outputs = file["prompts"][:].tolist(), file["outputs"][:].tolist()
        ids, chances = file["top_ids"][:], file["top_probabilities"][:]
        hit = ids == np.array(outputs)[:, None]
        rank = np.where(hit.any(axis=1), hit.argmax(axis=1), ids.shape[1])
        prompt_at, output_at = file["prompts_offsets"][:], file["outputs_offsets"][:]
        for i, task in enumerate(file["task"][:]):
            here = slice(output_at[i], output_at[i + 1])
            prompt, output = prompts[prompt_at[i]:prompt_at[i + 1]], outputs[here]
            copies = [[] if p == 0 else lookup(prompt + output[:p]) for p in range(len(output))]
            copies = [[(match, [token == right for token, right in zip(copy, output[p:])]) for match, copy in offered]
                      for p, offered in enumerate(copies)]
            texts.append(Text(task.decode(), rank[here].tolist(), (chances[here, 1] / chances[here, 0]).tolist(),
                              chances[here].tolist(), copies))
    return [text for text in texts if len(text) > 1]


def like(pattern, texts, seed=0):
    """A text with the pattern's matches ('1', '0'), its second candidates drawn from `texts`."""
    drawn = random.Random(seed)
    places = {right: [(t.rank[p], t.ratio[p]) for t in texts for p in range(1, len(t)) if (t.rank[p] == 0) == right]
              for right in (True, False)}
    chosen = [drawn.choice(places[mark == "1"]) for mark in pattern]
    return Text("match map", [c[0] for c in chosen], [c[1] for c in chosen], [], [])


# -- (a) Is the second candidate right?


def second_candidates(texts):
    positions = [(t.ratio[p], t.rank[p]) for t in texts for p in range(1, len(t))]
    wrong = [ratio_rank for ratio_rank in positions if ratio_rank[1] > 0]
    row = [f"{len(positions)}", f"{1 - len(wrong) / len(positions):.2f}", f"{sum(r == 1 for _, r in wrong) / len(wrong):.2f}"]
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1.01)):
        inside = [r for ratio, r in positions if low <= ratio < high]
        rejected = sum(r > 0 for r in inside)
        row.append(f"{len(inside) / len(positions):.2f}: {rejected / max(1, len(inside)):.2f}, "
                   f"{sum(r == 1 for r in inside) / max(1, rejected):.2f}")
    return row


# -- (b) Tokens a pass, drafting and verifying in turns, with so many candidates checked


def right_drafts(text, position):
    """How many of the drafter's first candidates in a row are right."""
    end = position
    while end < len(text) and text.rank[end] == 0:
        end += 1
    return end - position


def copied(text, position, rows, which=0):
    copy = text.copies[position][which][1][:rows] if len(text.copies[position]) > which else []
    return next((n for n, right in enumerate(copy) if not right), len(copy))


# What is offered from a position on, up to the first wrong token: (right?, second candidate right?, how unsure)


def drafted(text, position):
    for p in range(position, len(text)):
        yield text.rank[p] == 0, text.rank[p] == 1, text.ratio[p]
        if text.rank[p] > 0:
            return


def copy_alone(text, position):
    """Its second candidate is that of another match."""
    for n, right in enumerate(text.copies[position][0][1] if text.copies[position] else []):
        here = text.copies[position + n]
        second = len(here) > 1
        yield right, second and not right and here[1][1][0], here[1][0] / here[0][0] if second else 0
        if not right:
            return


def copy_else_drafted(text, position):
    """`trust`: the copy where there is one. Its second candidate is the drafter's first, if that is another."""
    copy = []
    for p in range(position, len(text)):
        first = text.rank[p] == 0
        copy = copy or (text.copies[p][0][1] if text.copies[p] else [])
        if copy:
            right, copy = copy[0], copy[1:]
            yield right, first and not right, 0 if right and first else text.chances[p][0]
        else:
            right = first
            yield right, text.rank[p] == 1, text.ratio[p]
        if not right:
            return


def one_chain(offers):
    return lambda text, position, rows: sum(right for right, *_ in itertools.islice(offers(text, position), rows))


chain, trusted = one_chain(drafted), one_chain(copy_else_drafted)


def behind_second(offers, text, position, rows):
    """Right tokens behind the right second candidate at `position`."""
    if offers is copy_alone:
        return max(0, copied(text, position, rows + 1, 1) - 1)
    return chain(text, position + 1, rows)


def with_second(offers, threshold, behind=0):
    """Of the rows, `1 + behind` are the second candidate at the first unsure position and its continuation."""

    def accepted(text, position, rows):
        main, right, branch = rows, 0, None
        for good, second_good, unsure in offers(text, position):
            if right == main:
                break
            if branch is None and unsure >= threshold:
                branch, main = right, max(right, rows - 1 - behind)
                good = good and right < main
            if not good:
                if branch == right and second_good:
                    return right + 1 + behind_second(offers, text, position + right, min(behind, rows - right - 1))
                break
            right += 1
        return right

    return accepted


def at_least_sure(text, position, rows):
    """Behind a wrong draft the drafter would stand on another text; how sure it is there is taken from this one."""
    branch = max(range(position, min(position + max(1, rows - 1), len(text))), key=lambda p: text.ratio[p])
    right = chain(text, position, rows - 1)
    return right + (position + right == branch and text.rank[branch] == 1)


def in_hindsight(offers):
    """A row for the second candidate exactly where it is right."""

    def accepted(text, position, rows):
        right = 0
        for good, second_good, _ in itertools.islice(offers(text, position), rows):
            if not good:
                return right + bool(second_good)
            right += 1
        return right

    return accepted


def best_tree(texts, rows):
    """The `rows` likeliest paths of candidates, by how often each rank is right wherever it stands (Sequoia's tree)."""
    ranks = [r for t in texts for r in t.rank[1:]]
    chance = [ranks.count(r) / len(ranks) for r in range(4)]
    tree, heap = set(), [(-chance[r], (r,)) for r in range(4)]
    heapq.heapify(heap)
    while len(tree) < rows:
        negative, path = heapq.heappop(heap)
        tree.add(path)
        for r in range(4):
            heapq.heappush(heap, (negative * chance[r], (*path, r)))
    return tree


def static_tree(texts):
    trees = {}

    def accepted(text, position, rows):
        tree = trees.setdefault(rows, best_tree(texts, rows))
        path = ()
        while position + len(path) < len(text) and (*path, text.rank[position + len(path)]) in tree:
            path = (*path, text.rank[position + len(path)])
        return len(path)

    return accepted


def tree_by_chances(text, position, rows):
    """The likeliest paths by the drafter's own probabilities; off the text they are taken from the text's positions."""
    heap, tree = [(-1.0, ())], set()
    while heap and len(tree) <= rows:
        negative, path = heapq.heappop(heap)
        tree.add(path)
        if position + len(path) < len(text):
            for r, chance in enumerate(text.chances[position + len(path)]):
                heapq.heappush(heap, (negative * chance, (*path, r)))
    path = ()
    while position + len(path) < len(text) and (*path, text.rank[position + len(path)]) in tree:
        path = (*path, text.rank[position + len(path)])
    return len(path)


def side_by_side(share):
    """`share` of the rows are the copy's where there is one; as long as both agree they need one row."""

    def accepted(text, position, rows):
        if not text.copies[position]:
            return trusted(text, position, rows)
        common = min(copied(text, position, rows), chain(text, position, rows))
        copy = round(share * (rows - common))
        return max(trusted(text, position, common + copy), chain(text, position, rows - copy))

    return accepted


def better_of_both(text, position, rows):
    return max(trusted(text, position, rows), chain(text, position, rows))


def tokens_a_pass(texts, accepted, rows):
    tokens = passes = 0
    for text in texts:
        position = 1
        while position < len(text):
            position += accepted(text, position, rows) + 1
            passes += 1
        tokens += len(text) - 1
    return tokens / passes


def best_of(texts, policies, rows):
    return max(tokens_a_pass(texts, policy, rows) for policy in policies)


THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1)


def second_at_best(offers, behind):
    return lambda rows: [with_second(offers, threshold, after) for threshold in THRESHOLDS
                         for after in (range(1, rows // 2 + 1) if behind else [0])]


def policies(texts):
    """(name, rows -> choices of which the best counts)"""
    for name, offers in (("drafter", drafted), ("copy", copy_alone), ("copy, else drafter", copy_else_drafted)):
        alone, hindsight = one_chain(offers), in_hindsight(offers)
        yield f"{name}: one chain", lambda rows: [alone]
        yield "– and a second candidate", second_at_best(offers, behind=False)
        yield "– and drafts behind it", second_at_best(offers, behind=True)
        yield "– second in hindsight (bound)", lambda rows: [hindsight]
        if offers is drafted:
            yield "– second at the least sure position", lambda rows: [at_least_sure]
            yield "– tree of set form", lambda rows: [static_tree(texts)]
            yield "– tree by the drafter's probabilities", lambda rows: [tree_by_chances]
    yield "copy beside drafter", lambda rows: [side_by_side(share) for share in (0.25, 0.5, 0.75)]
    yield "the better of both, twice the rows (bound)", lambda rows: [better_of_both]


def best_tokens(texts, choices, rows):
    return max((tokens_a_pass(texts, policy, rows) for policy in choices(rows)), default=1)


def pass_table(texts, groups):
    """Rows of: policy, and for each group tokens a pass with 4 and 8 candidates, and the most in a plain pass' time."""
    for name, choices in policies(texts):
        cells = []
        for group in groups:
            at = {rows: best_tokens(group, choices, rows) for rows in (1, 2, 3, 4, 6, 8, 15)}
            in_time = max(tokens / cost(HOST, 1 + rows) for rows, tokens in at.items())
            cells.append(f"{at[4]:.2f}, {at[8]:.2f}; {in_time:.2f}")
        yield [name, *cells]


# -- (c) The asynchronous pipeline: a drafter with a model and the target, each on its own processor, in virtual time.
#    Units: the target's pass over one row.


def cost(table, rows):
    """As `pipespec simulate` reads step times: straight lines between the points."""
    points = sorted(table)
    rows = max(rows, points[0])
    for low, high in zip(points, points[1:]):
        if rows <= high or high == points[-1]:
            return table[low] + (table[high] - table[low]) * (rows - low) / (high - low)


@dataclasses.dataclass(frozen=True)
class Machine:
    drafter: float  # a pass of one row
    message: float
    costs: tuple  # of a pass by its rows, from 0 on; drafter and target alike
    max_ahead: int = 32


@dataclasses.dataclass(frozen=True)
class Policy:
    rows: int  # of a pass of the target, at most
    wait: int = 0  # drafts that the target waits for before it steps
    branch: str = "none"  # "leaf": a second candidate; "both": and the drafter goes on behind either
    threshold: float = 0.3  # of p2 / p1, from which on there is a second candidate
    hindsight: bool = False  # instead: exactly where it is right
    branches: int = 1  # open at once
    instant: bool = False  # a refill takes no time


@dataclasses.dataclass
class Path:
    """Candidates in a row that have arrived at the target: for the positions from `start` to `tip`."""

    start: int
    tip: int
    wrong: float = NEVER  # the first position at which this path is not the target's text
    grows: bool = True


class Drafter:
    def __init__(self, text, machine, policy):
        self.text, self.machine, self.policy = text, machine, policy
        self.free = 0.0
        self.restart(machine.message, 1)

    def restart(self, now, length):
        self.free, self.known = max(self.free, now), length
        self.notices = []  # (time, length of the target's text)
        self.paths = [Path(length, length)]

    def next_pass(self):
        """The paths that it extends and when it ends; None: there is nothing to do."""
        while True:
            while self.notices and self.notices[0][0] <= self.free:
                self.known = self.notices.pop(0)[1]
                self.paths = [p for p in self.paths if p.wrong >= self.known and (p.grows or p.tip > self.known)]
            growing = [p for p in self.paths if p.grows and p.tip < min(self.known + self.machine.max_ahead, len(self.text))]
            if growing:
                return growing, self.free + self.machine.drafter * self.machine.costs[len(growing)]
            if not self.notices:
                return None
            self.free = self.notices[0][0]

    def complete(self, growing, end):
        policy, opened = self.policy, []
        for path in growing:
            position, rank = path.tip, self.text.rank[path.tip]
            on_text = path.wrong == NEVER
            path.tip += 1
            if on_text and rank > 0:
                path.wrong = position
            unsure = on_text and rank == 1 if policy.hindsight else self.text.ratio[position] >= policy.threshold
            if policy.branch != "none" and unsure and len(self.paths) + len(opened) <= policy.branches:
                wrong = path.wrong if not on_text else NEVER if rank == 1 else position
                opened.append(Path(position, position + 1, wrong, policy.branch == "both"))
        self.paths += opened
        self.free = end

    def run(self, now):
        """All that arrives at the target by `now`."""
        while (step := self.next_pass()) and step[1] + self.machine.message <= now:
            self.complete(*step)

    def next_arrival(self):
        step = self.next_pass()
        return step[1] + self.machine.message if step else NEVER

    def correct(self, now, length):
        """The target's correction. A pass that runs when it arrives is finished in vain."""
        arrival = now + self.machine.message
        if self.policy.instant:
            self.free = now
            self.restart(now, length)
            right, path = right_drafts(self.text, length), self.paths[0]
            path.tip = min(length + self.policy.rows - 1, len(self.text))
            path.wrong = length + right if length + right < path.tip else NEVER
            return
        while (step := self.next_pass()) and self.free < arrival:
            self.complete(*step)
        self.restart(arrival, length)


def correct_if_void(drafter, now, length):
    """If all that has arrived is on another text."""
    if length < len(drafter.text) and not any(p.wrong >= length and (p.grows or p.tip > length) for p in drafter.paths):
        drafter.correct(now, length)


def decode(text, machine, policy):
    """Time from the first token to the last, and the target's passes."""
    drafter = Drafter(text, machine, policy)
    now, length, passes = 0.0, 1, 0
    while length < len(text):
        drafter.run(now)
        correct_if_void(drafter, now, length)
        while max((p.tip - length for p in drafter.paths if p.wrong >= length), default=0) < min(policy.wait, len(text) - length):
            soon = drafter.next_arrival()
            if soon == NEVER:
                break
            now = max(now, soon)
            drafter.run(now)
            correct_if_void(drafter, now, length)
        checked = sorted((position, i) for i, p in enumerate(drafter.paths) if p.wrong >= length
                         for position in range(max(length, p.start), min(p.tip, length + policy.rows - 1)))[:policy.rows - 1]
        right = {position for position, i in checked if position < drafter.paths[i].wrong}
        now += machine.costs[1 + len(checked)]
        passes += 1
        while length in right:
            length += 1
        length = min(length + 1, len(text))
        drafter.run(now)
        drafter.notices.append((now + machine.message, length))
        correct_if_void(drafter, now, length)
    return now, passes


def time_a_token(texts, machine, policy):
    return sum(decode(t, machine, policy)[0] for t in texts) / sum(len(t) - 1 for t in texts)


ROWS, WAITS = (2, 3, 5, 9, 16), (0, 1, 2, 4)


def best_time(texts, machine, policies):
    """(time a token, policy)"""
    return min(((time_a_token(texts, machine, policy), policy) for policy in policies), key=lambda each: each[0])


def near(choices, chosen):
    at = choices.index(chosen)
    return choices[max(0, at - 1):at + 2]


def pipeline_row(texts, machine):
    """The best policy without branches, its time a token, and those of GAINS, each with its own best numbers."""
    plain, policy = best_time(texts, machine, [Policy(rows, wait) for rows in ROWS for wait in WAITS])
    around = [dataclasses.replace(policy, rows=rows, wait=wait)
              for rows in near(ROWS, policy.rows) for wait in near(WAITS, policy.wait)]

    def best(**keys):
        choices = [dict(zip(keys, values)) for values in itertools.product(*keys.values())]
        return best_time(texts, machine, [dataclasses.replace(p, **choice) for p in around for choice in choices])[0]

    return policy, plain, (best(branch=["leaf"], threshold=[0.1, 0.3, 0.6, 0.8], branches=[1, 3]),
                           best(branch=["both"], threshold=[0.1, 0.3, 0.6, 0.8], branches=[1, 3]),
                           best(branch=["both"], hindsight=[True], branches=[1, 3]),
                           best(instant=[True]))


GAINS = ("second candidate", "and drafts behind it", "the same in hindsight", "refills in no time")


def pipeline_table(name, texts):
    for (kind, costs), ratio, message in itertools.product((("host", HOST), ("GPU", FLAT)), (4, 10, 30), (0.001, 0.1)):
        policy, plain, times = pipeline_row(texts, Machine(1 / ratio, message, tuple(cost(costs, rows) for rows in range(65))))
        yield [name, kind, f"1:{ratio}", f"{message:g}", f"{policy.rows}, {policy.wait}", f"{1 / plain:.2f}",
               *(f"{100 * (plain / time - 1):+.1f} %" for time in times)]


# -- Tables


def print_table(head, rows):
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("candidates", type=pathlib.Path)
    parser.add_argument("--pipeline", action="store_true")
    parser.add_argument("--match-map", type=pathlib.Path)
    parser.add_argument("--task", help="only its texts, named as `pipespec export` names them")
    arguments = parser.parse_args()
    texts = [text for text in read_texts(arguments.candidates) if arguments.task in (None, text.task)]
    groups = {"all": texts}
    for text in texts:
        groups.setdefault(text.task, []).append(text)
    if len(groups) == 2:
        del groups["all"]

    if not arguments.pipeline:
        print_table(["texts", "positions", "first right", "second right, of the others",
                     *(f"p2/p1 {span}: share, first wrong, second right of those" for span in ("< 0.1", "< 0.3", "< 0.6", "≥ 0.6"))],
                    [[name, *second_candidates(group)] for name, group in groups.items()])
        print_table(["tokens a pass with 4 and 8 candidates; the most in the time of a plain pass", *groups],
                    pass_table(texts, list(groups.values())))
        return

    if arguments.match_map:
        patterns = [line.strip() for line in arguments.match_map.read_text().splitlines() if line.strip()]
        groups = {"match map": [like(pattern, texts, seed) for seed, pattern in enumerate(patterns)]}
    elif arguments.task is None:
        groups = {"all": texts}
    print_table(["texts", "costs", "drafter : target", "message", "rows, wait", "tokens in a plain pass' time", *GAINS],
                (row for name, group in groups.items() for row in pipeline_table(name, group)))


if __name__ == "__main__":
    main()
