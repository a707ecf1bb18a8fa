"""``tilewright arch``."""

from __future__ import annotations

from tilewright.arch import catalog


def test_list_names_every_shipped_machine(tilewright) -> None:
    outcome = tilewright("arch", "list")
    assert outcome.code == 0
    assert [line.split()[0] for line in outcome.out.splitlines()[1:]] == list(catalog())
    document = tilewright("arch", "list", "--json").document
    assert [machine["name"] for machine in document["machines"]] == list(catalog())


def test_show_draws_every_memory(tilewright) -> None:
    outcome = tilewright("arch", "show", "simba")
    assert all(name in outcome.out for name in ("dram", "glb", "weight_buffer", "input_buffer", "accumulation"))
    assert tilewright("arch", "show", "simba", "--json").document["clock_hz"] == "1000000000"


def test_check_accepts_a_file_and_reports_all_problems_of_all_files(tilewright, tmp_path) -> None:
    good, bad, worse = tmp_path / "good.yaml", tmp_path / "bad.yaml", tmp_path / "worse.yaml"
    text = (
        "name: mine\nclock: 1 GHz\nmemories:\n  - {name: dram}\n  - {name: glb, size: 4 KiB, scratchpad: true}\n"
        "array: {axes: {mac: 4}}\nvector: {lanes: 1, energy: 1 pJ}\n"
    )
    good.write_text(text)
    bad.write_text(text.replace("clock", "clok").replace("4 KiB", "4"))
    worse.write_text("\tname: x\n")
    outcome = tilewright("arch", "check", good, bad, worse)
    assert outcome.code == 1
    assert outcome.out == f"{good}: ok, machine mine\n"
    assert len(outcome.problems) >= 3
    assert f"{bad}:2:1:" in outcome.err
    assert "did you mean 'clock'" in outcome.err
    assert f"{worse}:1:" in outcome.err


def test_an_unknown_machine_is_an_error_with_the_nearest_name(tilewright) -> None:
    outcome = tilewright("arch", "show", "simbba")
    assert outcome.code == 1
    assert "simba" in outcome.err
