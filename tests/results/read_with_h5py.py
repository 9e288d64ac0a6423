"""A results file says the same to h5py as `pipespec export` says.

usage: read_with_h5py.py RESULTS.h5 SAMPLES.jsonl      exit status 0: they agree
"""

import json
import sys

import h5py


def ragged(group, row):
    begin, end = group["offsets"][row : row + 2]
    return group["values"][begin:end]


def samples_of(file):
    """The lines of the export, from the HDF5 file alone."""
    for experiment in file["experiments"].values():
        samples = experiment["samples"]
        finish = {number: name for name, number in h5py.check_enum_dtype(samples["finish"].dtype).items()}
        for row in range(len(samples["id"])):
            tokens = ragged(samples["output_tokens"], row).tolist()
            assert len(ragged(samples["commit_time"], row)) == len(tokens)
            reason = finish[samples["finish"][row]]
            assert samples["truncated"][row] == (reason in ("length", "context"))
            yield {
                "experiment": experiment.attrs["label"],
                "strategy": experiment.attrs["strategy"],
                "id": samples["id"][row].decode(),
                "prompt_tokens": int(samples["prompt_length"][row]),
                "tokens": len(tokens),
                "token_ids": tokens,
                "text": ragged(samples["text"], row).tobytes().decode(),
                "finish": reason,
                "prefill_seconds": samples["first_token"][row] - samples["start"][row],
                "seconds": samples["end"][row] - samples["first_token"][row],
            }


def check_tables(file):
    """Columns of a table have one length, and every dataset that holds something is compressed."""
    for experiment in file["experiments"].values():
        samples = len(experiment["samples/id"])
        for stage in experiment["stages"].values():
            assert len(stage["link/passes"]) == len(stage["link/recorded"]) == samples
            assert len(stage["link/offered/offsets"]) == samples + 1
            for table in (stage["steps"], stage["messages"]):
                lengths = {name: len(column) for name, column in table.items()}
                assert len(set(lengths.values())) == 1 and min(lengths.values()) > 0, lengths
            assert set(h5py.check_enum_dtype(stage["steps/kind"].dtype)) == {"prefill", "draft", "verify"}

    telemetry = {name: column[:].tolist() for name, column in file["telemetry"].items()}
    assert telemetry["experiment"] == [0, 0, 0, 1, 1, 1, 2, 2, 2] and telemetry["rank"] == 3 * [0, 1, 2], telemetry
    assert {len(column) for column in telemetry.values()} == {9}, telemetry

    def is_compressed(name, item):
        if isinstance(item, h5py.Dataset) and item.size:
            assert item.chunks and item.shuffle and item.compression == "gzip", name

    file.visititems(is_compressed)


def main():
    with h5py.File(sys.argv[1]) as file, open(sys.argv[2]) as lines:
        assert file.attrs["filetype"] == "pipespec results" and file.attrs["version"].tolist() == [1, 3]
        assert file.attrs["seed"] == 2**64 - 1 and len(file.attrs["configuration_hash"]) == 16
        assert list(file["attempts/0"].attrs["hosts"]) == ["node1", "node2", "node2"]
        expected = [json.loads(line) for line in lines]
        for line in expected:
            del line["task"]  # a name made from the configuration; the file holds the index
        assert list(samples_of(file)) == expected and expected
        check_tables(file)


if __name__ == "__main__":
    main()
