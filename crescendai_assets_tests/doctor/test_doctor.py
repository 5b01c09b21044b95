"""Each check in its good and bad states through its arguments; the whole where half the packages are gone."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest

from crescendai_assets.doctor import Finding, encoder, machine, settings, software
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sources.citations import Source

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def have(**versions: str) -> software.Installed:
    return {name.replace("_", "-"): version for name, version in versions.items()}.get


def fails(error: Exception) -> Callable[..., NoReturn]:
    def raise_it(*_: object) -> NoReturn:
        raise error

    return raise_it


# ------------------------------------------------------------------------------------ python, packages


def test_a_python_that_is_new_enough_is_well_and_an_older_one_is_not():
    assert software.check_python((3, 11, 0)).status == "ok"
    assert software.check_python((3, 14, 1)).status == "ok"
    old = software.check_python((3, 10, 14))
    assert (old.status, old.found) == ("missing", "3.10.14")
    assert "3.11" in old.advice


def test_packages_within_their_ranges_make_one_finding():
    (finding,) = software.check_packages(["click>=8.1", "torch>=2.11,<2.12"], have(click="8.1.7", torch="2.11.0+cu130"))
    assert finding.status == "ok"
    assert "click 8.1.7" in finding.found
    assert "torch 2.11.0+cu130" in finding.found


def test_a_package_that_is_absent_is_missing_and_named_with_its_range():
    summary, finding = software.check_packages(["click>=8.1", "soxr>=0.5"], have(click="8.2"))
    assert summary.status == "warn"
    assert (finding.name, finding.status) == ("package soxr", "missing")
    assert "'soxr>=0.5'" in finding.advice


def test_a_package_outside_its_range_is_a_warning():
    _, finding = software.check_packages(["rich>=13"], have(rich="12.6"))
    assert finding.status == "warn"
    assert finding.found.startswith("12.6, needed is >=13")


def test_transformers_5_is_known_to_fail_and_says_where():
    _, finding = software.check_packages(["transformers>=4.49,<5"], have(transformers="5.0.1"))
    assert finding.status == "missing"
    assert "_attn_implementation" in finding.found
    assert "'transformers<5,>=4.49'" in finding.advice


def test_extras_and_other_platforms_are_skipped():
    requirements = ['pytest>=8; extra == "dev"', 'pywin32>=300; sys_platform == "nowhere"', "click>=8"]
    (finding,) = software.check_packages(requirements, have(click="8.1"))
    assert finding.found.startswith("1 within")


def test_a_pre_release_within_the_range_is_accepted():
    (finding,) = software.check_packages(["click>=8"], have(click="8.2.0rc1"))
    assert finding.status == "ok"


def test_a_version_that_cannot_be_read_is_not_taken_for_a_good_one():
    _, finding = software.check_packages(["click>=8"], have(click="unknown"))
    assert finding.status == "missing"
    assert "'unknown'" in finding.found


def test_a_project_that_is_not_installed_says_how_to_install_it():
    (finding,) = software.check_packages(None)
    assert finding.status == "missing"
    assert "pip install -e ." in finding.advice


def test_metadata_is_read_without_an_import_and_absence_is_none():
    assert software.installed_version("pytest")
    assert software.installed_version("no-such-distribution-here") is None
    assert software.declared_requirements("no-such-distribution-here") is None
    assert software.declared_requirements("pytest")


def test_torch_and_torchaudio_of_one_kind_are_well():
    assert software.check_torch_pair(have(torch="2.11.0", torchaudio="2.11.0")).status == "ok"
    assert software.check_torch_pair(have(torch="2.11.1", torchaudio="2.11.0")).status == "ok"
    assert software.check_torch_pair(have(torch="2.11.0+cpu", torchaudio="2.11.0+cpu")).status == "ok"


@pytest.mark.parametrize(
    ("versions", "found"),
    [
        ({"torch": "2.15.0", "torchaudio": "2.11.0"}, "its import fails"),
        ({"torch": "2.11.0+cpu", "torchaudio": "2.11.0"}, "needs the CUDA libraries"),
        ({"torch": "2.11.0"}, "torchaudio not installed"),
        ({"torchaudio": "2.11.0"}, "torch not installed"),
        ({}, "torch and torchaudio not installed"),
    ],
)
def test_a_torch_pair_that_fails_at_import_is_missing(versions, found):
    finding = software.check_torch_pair(have(**versions))
    assert finding.status == "missing"
    assert found in finding.found
    assert "torchaudio==2.11.*" in finding.advice


# ------------------------------------------------------------------------------------------------- gpu


def test_a_gpu_that_torch_can_use_is_well_and_named():
    view = machine.TorchView("2.11.0+cu130", "13.0", ("NVIDIA H200",))
    finding = machine.check_gpu(lambda: view, "/usr/bin/nvidia-smi", 16)
    assert finding.status == "ok"
    assert "NVIDIA H200" in finding.found


def test_no_gpu_says_what_runs_on_the_cpu_and_how_slowly():
    finding = machine.check_gpu(lambda: machine.TorchView("2.11.0", "13.0", ()), None, 2)
    assert finding.status == "warn"
    assert "2 CPU cores" in finding.found
    assert "7-10 s per 30 s segment" in finding.advice
    assert "2 to 3 days" in finding.advice


def test_a_driver_that_torch_cannot_use_is_told_with_what_torch_said():
    view = machine.TorchView("2.11.0+cu130", "13.0", (), "The NVIDIA driver is too old\nmore")
    finding = machine.check_gpu(lambda: view, "/usr/bin/nvidia-smi", 8)
    assert finding.status == "warn"
    assert "The NVIDIA driver is too old" in finding.found
    assert "more" not in finding.found
    assert "nvidia-smi" in finding.advice


def test_a_driver_beside_a_cpu_build_of_torch_asks_for_the_other_build():
    finding = machine.check_gpu(lambda: machine.TorchView("2.11.0+cpu", None, ()), "/usr/bin/nvidia-smi", 8)
    assert finding.status == "warn"
    assert "built for the CPU only" in finding.found
    assert "pip install" in finding.advice


@pytest.mark.parametrize("error", [ImportError("No module named 'torch'"), OSError("libcudart.so.13: not found")])
def test_a_torch_that_does_not_import_is_missing_and_quoted(error):
    finding = machine.check_gpu(fails(error), "/usr/bin/nvidia-smi", 8)
    assert finding.status == "missing"
    assert str(error) in finding.found


# -------------------------------------------------------------------------------- disk and file system


@pytest.mark.parametrize(("space", "status"), [(500.0, "ok"), (20.0, "warn"), (1.0, "missing")])
def test_free_space_is_held_against_what_maestro_needs(tmp_path, space, status):
    finding = machine.check_disk(tmp_path / "data", lambda folder: space)
    assert finding.status == status
    assert f"{space:.1f} GB free" in finding.found
    assert ("34 GB" in finding.advice) == (status != "ok")


def test_space_is_asked_of_the_nearest_folder_that_exists(tmp_path):
    space = {tmp_path: 500.0}
    assert machine.check_disk(tmp_path / "not" / "yet", space.__getitem__).status == "ok"


def test_space_that_cannot_be_told_is_a_warning(tmp_path):
    finding = machine.check_disk(tmp_path, fails(OSError("stale file handle")))
    assert finding.status == "warn"
    assert "stale file handle" in finding.found


def test_the_figures_agree_with_the_shapes_they_come_from():
    assert pytest.approx(198.65 * 3600 * 24_000 * 2 / 1e9, rel=0.01) == machine.WORKING_COPIES_GB
    assert pytest.approx(machine.MAESTRO_SEGMENTS * 93 * 1024 * 4 / 1e9, rel=0.03) == machine.EMBEDDINGS_GB


def test_a_root_that_can_be_written_is_well_whether_it_exists_or_not(tmp_path):
    assert machine.check_writable(tmp_path).status == "ok"
    finding = machine.check_writable(tmp_path / "data" / "deep")
    assert finding.status == "ok"
    assert "will be made" in finding.found


def test_a_root_without_permission_or_that_is_a_file_is_missing(tmp_path):
    refused = machine.check_writable(tmp_path / "data", lambda folder, mode: False)
    assert refused.status == "missing"
    assert f"no permission to write to {tmp_path}" in refused.found
    file = tmp_path / "file"
    file.touch()
    assert machine.check_writable(file).found == f"{file} is a file"
    assert machine.check_writable(file / "below").status == "missing"


def test_a_network_file_system_is_told_by_the_longest_mount_point(tmp_path):
    place = tmp_path.resolve()
    local = f"/dev/sda1 / ext4 rw 0 0\nserver:/x {place}/elsewhere nfs4 rw 0 0\n"
    assert machine.check_file_system(tmp_path, local).found == "ext4"
    remote = f"{local}server:/y {place} nfs4 rw 0 0\n"
    finding = machine.check_file_system(tmp_path / "data", remote)
    assert finding.status == "warn"
    assert "nfs4" in finding.found
    assert "DAGSTER_HOME" in finding.advice


def test_a_mount_point_with_a_space_is_understood(tmp_path):
    place = tmp_path.resolve() / "my data"
    place.mkdir()
    written = str(place).replace(" ", r"\040")
    mounts = f"/dev/sda1 / ext4 rw 0 0\nhost: {written} fuse.sshfs rw 0 0\n"
    assert machine.check_file_system(place, mounts).status == "warn"


def test_an_unknown_file_system_is_no_fault(tmp_path):
    assert machine.check_file_system(tmp_path, "").status == "ok"
    assert machine.check_file_system(tmp_path, "half a line\n").status == "ok"


# ------------------------------------------------------------------------------------------ checkpoint


def fill_cache(cache: Path, *files: str, revision: str = "main") -> Path:
    repository = cache / "models--OpenMuQ--MuQ-large-msd-iter"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / revision).write_text(COMMIT)
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for file in files:
        (snapshot / file).write_text("{}")
    return cache


def in_cache(cache: Path) -> encoder.Lookup:
    return partial(encoder.cached_file, cache=cache)


def write_checkpoint(folder: Path, weights: bytes = b"weights" * 100, config: str = "{}") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(config)
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def test_a_cached_checkpoint_is_well_and_offered_to_be_pinned(tmp_path):
    lookup = in_cache(fill_cache(tmp_path, "config.json", "model.safetensors"))
    finding = encoder.check_checkpoint(lookup=lookup)
    assert finding.status == "ok"
    assert COMMIT in finding.found
    assert f"CRESCENDAI_MUQ_REVISION={COMMIT}" in finding.advice


def test_weights_in_the_older_format_serve_in_the_cache(tmp_path):
    lookup = in_cache(fill_cache(tmp_path, "config.json", "pytorch_model.bin"))
    assert encoder.check_checkpoint(lookup=lookup).status == "ok"


def test_a_pinned_checkpoint_needs_no_advice(tmp_path):
    lookup = in_cache(fill_cache(tmp_path, "config.json", "model.safetensors"))
    finding = encoder.check_checkpoint(revision=COMMIT, lookup=lookup)
    assert (finding.status, finding.advice) == ("ok", "")


def test_an_empty_cache_says_how_to_download_and_asks_no_network(tmp_path):
    finding = encoder.check_checkpoint(lookup=in_cache(tmp_path), probe=fails(AssertionError("asked the network")))
    assert finding.status == "missing"
    assert "hf download OpenMuQ/MuQ-large-msd-iter" in finding.advice


def test_another_revision_than_the_cached_one_is_missing_and_stands_in_the_command(tmp_path):
    lookup = in_cache(fill_cache(tmp_path, "config.json", "model.safetensors"))
    finding = encoder.check_checkpoint(revision="v2", lookup=lookup)
    assert finding.status == "missing"
    assert "--revision v2" in finding.advice


def test_a_download_that_was_cut_off_is_told_apart_from_none(tmp_path):
    finding = encoder.check_checkpoint(lookup=in_cache(fill_cache(tmp_path, "config.json")))
    assert finding.status == "missing"
    assert "cut off" in finding.found


def test_online_the_hub_is_asked_only_where_the_cache_has_nothing(tmp_path):
    finding = encoder.check_checkpoint(online=True, lookup=in_cache(tmp_path), probe=lambda name, revision: COMMIT)
    assert finding.status == "warn"
    assert COMMIT in finding.found
    lookup = in_cache(fill_cache(tmp_path, "config.json", "model.safetensors"))
    assert encoder.check_checkpoint(online=True, lookup=lookup, probe=fails(AssertionError())).status == "ok"


def test_a_hub_that_does_not_answer_points_to_a_folder(tmp_path):
    finding = encoder.check_checkpoint(
        online=True, lookup=in_cache(tmp_path), probe=fails(ConnectionError("no route to host"))
    )
    assert finding.status == "missing"
    assert "ConnectionError" in finding.found
    assert "CRESCENDAI_MUQ_CHECKPOINT" in finding.advice


def test_without_the_library_of_the_hub_the_check_still_answers():
    finding = encoder.check_checkpoint(lookup=fails(ImportError("No module named 'huggingface_hub'")))
    assert finding.status == "missing"
    assert "huggingface_hub" in finding.advice


def test_a_folder_with_config_and_weights_is_well(tmp_path):
    finding = encoder.check_checkpoint(str(write_checkpoint(tmp_path / "muq")), lookup=fails(AssertionError()))
    assert finding.status == "ok"


@pytest.mark.parametrize(
    ("weights", "config", "found"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "{}", "Git LFS pointer"),
        (b"", "{}", "is empty"),
        (b"weights", "{", "cannot be read"),
    ],
)
def test_a_folder_whose_files_are_not_what_they_seem_is_missing(tmp_path, weights, config, found):
    finding = encoder.check_checkpoint(str(write_checkpoint(tmp_path / "muq", weights, config)))
    assert finding.status == "missing"
    assert found in finding.found


def test_a_folder_without_weights_names_them_and_the_format_it_is_not_read_from(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    finding = encoder.check_checkpoint(str(tmp_path))
    assert finding.status == "missing"
    assert "no model.safetensors" in finding.found
    assert "pytorch_model.bin is there" in finding.found


def test_a_checkpoint_that_is_neither_folder_nor_id_is_missing(tmp_path):
    finding = encoder.check_checkpoint(str(tmp_path / "gone"), lookup=fails(AssertionError()))
    assert finding.status == "missing"
    assert "neither a folder" in finding.found


def test_an_id_that_the_hub_does_not_allow_is_missing(tmp_path):
    assert encoder.check_checkpoint("a--b/c", lookup=in_cache(tmp_path)).status == "missing"


def test_the_cache_folder_follows_the_environment_in_the_order_of_the_hub():
    assert encoder.hub_cache({}) is None
    assert encoder.hub_cache({"HF_HOME": "/a"}) == Path("/a/hub")
    assert encoder.hub_cache({"HF_HOME": "/a", "HF_HUB_CACHE": "/b"}) == Path("/b")
    assert encoder.hub_cache({"XDG_CACHE_HOME": "/c"}) == Path("/c/huggingface/hub")


# ----------------------------------------------------------------------------------------- environment


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def test_an_empty_environment_warns_only_of_history_and_maestro():
    findings = by_name(settings.check_environment({}))
    assert {name for name, finding in findings.items() if finding.status != "ok"} == {
        "DAGSTER_HOME",
        "MAESTRO_DIR",
    }


def test_a_full_environment_is_well(tmp_path):
    (tmp_path / "dagster.yaml").touch()
    (tmp_path / "maestro-v3.0.0.json").write_text("{}")
    findings = settings.check_environment(
        {
            "DAGSTER_HOME": str(tmp_path),
            "CRESCENDAI_DATA": str(tmp_path / "data"),
            "MAESTRO_DIR": str(tmp_path),
            "MAESTRO_ZIP": "https://storage.example.org/maestro.zip",
            "CRESCENDAI_MUQ_CHECKPOINT": "OpenMuQ/MuQ-large-msd-iter",
            "CRESCENDAI_EXECUTOR": "multiprocess",
        }
    )
    assert {finding.status for finding in findings} == {"ok"}
    assert len(by_name(findings)) == 6


@pytest.mark.parametrize(
    ("value", "status", "found"),
    [
        ("", "warn", "deletes"),
        ("relative/home", "missing", "not an absolute path"),
        ("{tmp}/absent", "missing", "not a folder that exists"),
        ("{tmp}", "warn", "no dagster.yaml"),
    ],
)
def test_a_dagster_home_that_will_not_do_says_why(tmp_path, value, status, found):
    finding = settings.check_dagster_home(value.format(tmp=tmp_path))
    assert finding.status == status
    assert found in finding.found
    assert "export DAGSTER_HOME" in finding.advice


def test_the_data_root_may_be_absent_but_not_remote_nor_a_file_nor_relative(tmp_path):
    assert settings.check_data("s3://bucket/data").status == "missing"
    assert "will be made" in settings.check_data(str(tmp_path / "new")).found
    (tmp_path / "file").touch()
    assert settings.check_data(str(tmp_path / "file")).status == "missing"
    assert settings.check_data("data").status == "warn"


def test_maestro_is_found_by_either_table_and_one_level_down_is_pointed_out(tmp_path):
    inner = tmp_path / "maestro-v3.0.0"
    inner.mkdir()
    (inner / "maestro-v3.0.0.csv").touch()
    assert settings.check_maestro(str(inner), "")[0].status == "ok"
    (outer,) = settings.check_maestro(str(tmp_path), "")
    assert outer.status == "missing"
    assert str(inner) in outer.advice


def test_a_maestro_folder_that_is_absent_or_another_version_is_missing(tmp_path):
    (tmp_path / "maestro-v2.0.0.json").touch()
    (other,) = settings.check_maestro(str(tmp_path), "")
    assert other.status == "missing"
    assert "maestro-v3.0.0.json" in other.found
    assert settings.check_maestro(str(tmp_path / "gone"), "")[0].status == "missing"


def test_a_maestro_archive_is_an_address_or_a_whole_zip(tmp_path):
    archive = tmp_path / "maestro.zip"
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("maestro-v3.0.0/maestro-v3.0.0.csv", "x" * 1000)
    assert settings.check_maestro("", str(archive))[0].status == "ok"
    assert settings.check_maestro("", "http://localhost:8000/maestro.zip")[0].status == "ok"
    archive.write_bytes(archive.read_bytes()[:60])
    assert "cut off" in settings.check_maestro("", str(archive))[0].found
    for wrong in ("https://", "ftp://host/maestro.zip", str(tmp_path / "gone.zip")):
        assert settings.check_maestro("", wrong)[0].status == "missing"


def test_a_checkpoint_name_is_a_folder_or_an_id(tmp_path):
    assert settings.check_checkpoint_name("").status == "ok"
    assert settings.check_checkpoint_name(str(tmp_path)).status == "ok"
    assert settings.check_checkpoint_name("OpenMuQ/MuQ-large-msd-iter").status == "ok"
    for wrong in ("./gone", str(tmp_path / "gone"), "muq"):
        assert settings.check_checkpoint_name(wrong).status == "missing"


def test_an_executor_that_is_none_of_the_known_ones_gets_the_nearest_as_advice():
    assert settings.check_executor("in_process").status == "ok"
    finding = settings.check_executor("In-Process")
    assert finding.status == "missing"
    assert finding.advice == "Set it to in_process."
    assert "multiprocess" in settings.check_executor("kubernetes").advice


def test_every_variable_that_the_package_reads_is_known():
    text = "".join(path.read_text() for path in Path(settings.__file__).parents[1].rglob("*.py"))
    read = set(re.findall(r'"((?:CRESCENDAI|MAESTRO)_[A-Z_]+)"', text)) - {"MAESTRO_"}
    assert read
    assert read <= set(settings.VARIABLES)


def test_a_misspelt_variable_is_pointed_out_and_a_stranger_is_not():
    environ = {"CRESCENDAI_EXECUTER": "in_process", "CRESCENDAI_SOMETHING_ELSE": "1", "PATH": "/bin"}
    (finding,) = settings.check_misspelt(environ)
    assert finding.name == "CRESCENDAI_EXECUTER"
    assert finding.advice == "Did you mean CRESCENDAI_EXECUTOR?"


# -------------------------------------------------------------------------------------------- licences


def source(name: str, licence: str) -> Source:
    return Source(name, name, "weights", "tests", licence, "https://github.com/a/b", "@misc{k, title={t}}")


def test_non_commercial_weights_and_data_are_a_warning_that_names_them():
    finding = settings.check_licences(lambda: [source("muq", "CC-BY-NC-4.0"), source("board", "GPL-3.0-only")])
    assert finding.status == "warn"
    assert "muq (CC-BY-NC-4.0)" in finding.found
    assert "board (GPL-3.0-only)" in finding.advice


def test_free_sources_need_no_warning():
    assert settings.check_licences(lambda: [source("a", "MIT")]).status == "ok"


def test_the_packages_own_list_is_the_one_that_is_read():
    assert "MAESTRO" in settings.check_licences().found


@pytest.mark.parametrize(
    "error", [ImportError("No module named 'yaml'"), SetupError("sources.yaml, entry 3"), OSError()]
)
def test_a_list_of_sources_that_cannot_be_read_is_a_finding_not_a_crash(error):
    finding = settings.check_licences(fails(error))
    assert finding.status == "missing"
    assert finding.advice


# ------------------------------------------------------------------------------------------- the whole

BROKEN = (
    "torch", "torchaudio", "muq", "transformers", "yaml", "packaging", "huggingface_hub", "httpx", "yt_dlp", "av",
    "pydantic", "numpy", "fsspec",
)  # fmt: skip

WHOLE = """
import json, sys
from pathlib import Path
for name in {broken}:
    sys.modules[name] = None  # any import of it fails
from crescendai_assets.doctor import diagnose
heavy = {{"torch", "transformers", "pandas", "dagster", "numpy", "yaml", "huggingface_hub", "yt_dlp", "av", "pydantic"}}
heavy -= set({broken})
heavy = sorted(heavy & set(sys.modules))
findings = diagnose(Path({root!r}), environ={{"HF_HOME": {root!r}, **{environ!r}}})
print(json.dumps([heavy, [[f.name, f.status, f.found, f.advice] for f in findings]]))
"""


def run_whole(root: Path, broken: tuple[str, ...], **environ: str) -> tuple[list[str], dict[str, Finding]]:
    script = WHOLE.format(broken=broken, root=str(root), environ=environ)
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    heavy, rows = json.loads(answer.stdout)
    findings = by_name([Finding(*row) for row in rows])
    assert len(findings) == len(rows)
    return heavy, findings


def test_the_doctor_answers_where_every_package_it_looks_at_is_broken(tmp_path):
    (tmp_path / "cookies.txt").write_text("# Netscape HTTP Cookie File\n")
    settings = {
        "CRESCENDAI_COOKIES": str(tmp_path / "cookies.txt"),
        "CRESCENDAI_COOKIES_BROWSER": "firefox",
        "CRESCENDAI_PUBLISH": "s3://bucket/folder",
        "CRESCENDAI_AUGMENTATION": "label_safe",
    }
    heavy, findings = run_whole(tmp_path, BROKEN, **settings)
    assert heavy == []
    assert findings["gpu"].status == "missing"
    assert findings["packages"].status == "missing"
    assert findings["muq checkpoint"].status == "missing"
    assert findings["licences"].status == "missing"
    assert findings["catalogue"].status == "missing"
    assert findings["codecs"].status == "missing"
    assert findings["javascript runtime"].status == "warn"
    assert findings["CRESCENDAI_COOKIES_BROWSER"].status == "warn"
    assert findings["CRESCENDAI_PUBLISH"].status == "missing"
    assert findings["disk"].found.endswith(f"free at {tmp_path}")


def test_importing_the_doctor_loads_nothing_heavy_and_every_fault_comes_with_advice(tmp_path):
    heavy, findings = run_whole(tmp_path, ("torch",))
    assert heavy == []
    assert all(finding.advice for finding in findings.values() if finding.status != "ok")
    assert {"python", "packages", "torch and torchaudio", "javascript runtime", "data root"} <= set(findings)
    assert {"download settings", "catalogue", "codecs"} <= set(findings)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_really_is_read_only_is_seen(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert machine.check_writable(tmp_path / "data").status == "missing"
    finally:
        tmp_path.chmod(stat.S_IRWXU)
