from types import SimpleNamespace

from benchmarks import runs, samplers
from otgan.gan.samplers import PRIOR, SAMPLERS


def test_the_systems_are_those_with_an_encoder():
    assert samplers.encoding() == ["wae-gan", "wae-mmd", "aae", "vae", "avb"]


def test_a_run_has_a_row_for_each_law_of_its_codes():
    history = [{"step": 3, "evaluation": {"em": 1.0}, "took": 1.0, "seconds": 5.0}]
    numbers = dict.fromkeys(samplers.COLUMNS.values(), 0.5)

    def evaluate(sampler):
        return numbers | {"classifier_frechet": float(len(sampler))}

    run = SimpleNamespace(history=history, step=3, evaluate=evaluate)
    found = samplers.rows_of(runs.Row("vae", run, 9.0))
    assert [row[:3] for row in found] == [("vae", name, float(len(name))) for name in (PRIOR, *SAMPLERS)]
    assert {row[-3:] for row in found} == {(3, 4.0, 9.0)}
    assert {len(row) for row in found} == {2 + len(numbers) + 3}


def test_what_to_type_again_names_one_data_set_and_no_folder(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(samplers, "measure", lambda data, options, command: asked.append((data, command)))
    samplers.main(["--data", "digits", "mnist", "--out", str(tmp_path)])
    assert asked == [
        (data, f"python -m benchmarks.samplers --data {data} --seed 0 --threads 1")
        for data in ("digits", "mnist")
    ]
