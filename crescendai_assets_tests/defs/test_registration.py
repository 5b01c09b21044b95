"""Partitions from the catalogue: added by the sensor, reported when their file is gone, removed by command only."""

from __future__ import annotations

import dagster as dg

EDITION = (
    "competition: my\nyear: 2020\nname: My\nrounds: [final]\n"
    "results:\n  - {performer: Ana Sol, country: Spain, placement: 1}\nrecordings: none yet\n"
)


def run_job(platform, name: str, **config) -> dg.ExecuteInProcessResult:
    job: dg.JobDefinition = platform.definitions.resolve_job_def(name)
    return job.execute_in_process(instance=platform.instance, raise_on_error=False, run_config=config)


def test_the_shipped_catalogue_is_registered_with_nothing_set(platform):
    said = platform.tick()
    assert {"chopin2021", "cliburn2022", "leeds2021", "queenelisabeth2021"} <= set(
        platform.instance.get_dynamic_partitions("competition")
    )
    assert len(platform.instance.get_dynamic_partitions("channel")) >= 22
    assert "added" in said
    assert (
        platform.tick()
        == "competition: nothing new | channel: nothing new | midi_source: nothing new | fold: nothing new"
    )


def test_a_new_file_is_a_new_partition_and_a_bad_one_is_reported_beside_it(platform):
    platform.tick()
    platform.add("competitions/bad2020.yaml", "competition: bad\nyear: 2020\nrounds: [finl]\n")
    platform.add("competitions/my2020.yaml", EDITION)
    said = platform.tick()
    assert "my2020" in platform.instance.get_dynamic_partitions("competition")
    assert "bad2020" not in platform.instance.get_dynamic_partitions("competition")
    assert "bad2020.yaml, line" in said


def test_a_key_whose_file_is_gone_is_reported_and_stays_until_the_job_takes_it_out(platform):
    platform.add("competitions/my2020.yaml", EDITION)
    platform.run(["competition/recordings"], "my2020")
    (platform.catalog / "competitions/my2020.yaml").unlink()
    assert "no longer in the catalogue: my2020" in platform.tick()
    assert "my2020" in platform.instance.get_dynamic_partitions("competition")
    assert run_job(platform, "remove_unlisted_partitions").success
    assert "my2020" not in platform.instance.get_dynamic_partitions("competition")
    assert platform.lake.tier("competition").partition("my2020").folder.is_dir(), "data stay"


def test_a_file_with_a_slip_does_not_make_its_partition_unlisted(platform):
    platform.add("competitions/my2020.yaml", EDITION)
    platform.add("competitions/my2020.yaml", EDITION.replace("final", "fin al"))
    assert "no longer" not in platform.tick()


def test_removing_what_is_still_listed_is_refused(platform):
    platform.tick()
    config = {"ops": {"remove_unlisted": {"config": {"keys": ["chopin2021"]}}}}
    assert not run_job(platform, "remove_unlisted_partitions", **config).success
    assert "chopin2021" in platform.instance.get_dynamic_partitions("competition")


def test_the_job_registers_without_the_daemon(platform):
    assert run_job(platform, "register_partitions").success
    assert "chopin2021" in platform.instance.get_dynamic_partitions("competition")


def test_materializing_an_edition_that_left_the_catalogue_says_what_to_do(platform):
    platform.add("competitions/my2020.yaml", EDITION)
    (platform.catalog / "competitions/my2020.yaml").unlink()
    done = platform.run(["competition/recordings"], "my2020")["competition/recordings"]
    assert "there is no edition 'my2020'" in done.error
