from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from crescendai_assets.embeddings.identity import (
    IDENTITY_FILE,
    EncoderIdentity,
    EncoderSpec,
    claim_folder,
    device_of,
    identify,
    locate_checkpoint,
    read_identity,
    spec_from,
)
from crescendai_assets.lake.errors import SetupError
from crescendai_assets_tests.builders import contents

PROJECT = Path(__file__).resolve().parents[2]
MUQ = EncoderIdentity("OpenMuQ/MuQ-large-msd-iter", "0123456789abcdef", (9, 10, 11, 12), 8, "bf16")


def spec(folder, **other):
    return EncoderSpec(str(folder), device="cpu", **other)


def test_a_folder_is_identified_without_loading_its_weights(encoder_folder):
    code = (
        "import sys\n"
        "from crescendai_assets.embeddings.identity import EncoderSpec, identify\n"
        f"identify(EncoderSpec({str(encoder_folder)!r}, device='cpu'))\n"
        "assert not {'torch', 'muq', 'transformers'} & set(sys.modules), 'a heavy module was loaded'"
    )
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True)
    found = identify(spec(encoder_folder))
    assert found.revision.startswith("sha256:")
    assert (found.layers, found.temporal_pool, found.precision) == ((1, 2), 8, "fp32")


def test_the_digest_does_not_depend_on_the_folders_name_or_place(encoder_folder, tmp_path):
    moved = tmp_path / "elsewhere" / "renamed"
    shutil.copytree(encoder_folder, moved)
    here, there = identify(spec(encoder_folder)), identify(spec(moved))
    assert here.checkpoint != there.checkpoint
    assert here.digest == there.digest


def test_the_digest_follows_the_weights_and_the_config(encoder_folder, tmp_path):
    digest = identify(spec(encoder_folder)).digest
    shutil.copytree(encoder_folder, tmp_path / "a")
    weights = next(p for p in (tmp_path / "a").iterdir() if p.suffix in {".safetensors", ".bin"})
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert identify(spec(tmp_path / "a")).digest != digest
    shutil.copytree(encoder_folder, tmp_path / "b")
    config = tmp_path / "b" / "config.json"
    config.write_text(config.read_text() + " ")
    assert identify(spec(tmp_path / "b")).digest != digest


def test_the_digest_differs_by_layers_pooling_precision_revision_and_training():
    others = [
        replace(MUQ, layers=(9, 10, 11)),
        replace(MUQ, layers=(12, 11, 10)),
        replace(MUQ, temporal_pool=1),
        replace(MUQ, precision="fp32"),
        replace(MUQ, revision="fedcba9876543210"),
        replace(MUQ, checkpoint="OpenMuQ/MuQ-other"),
        replace(MUQ, trained=False),
        replace(MUQ, trained=None),
    ]
    digests = {one.digest for one in (MUQ, *others)}
    assert len(digests) == len(others) + 1
    assert replace(MUQ).digest == MUQ.digest


def test_a_sample_encoder_says_that_it_is_untrained(encoder_folder, tmp_path):
    found = identify(spec(encoder_folder))
    assert found.trained is False
    assert "UNTRAINED" in found.describe()
    copy = tmp_path / "trained"
    shutil.copytree(encoder_folder, copy)
    (copy / "UNTRAINED").unlink()
    assert identify(spec(copy)).trained is True


def test_layers_are_the_last_four_unless_chosen(encoder_folder, tmp_path):
    copy = tmp_path / "deep"
    copy.mkdir()
    config = json.loads((encoder_folder / "config.json").read_text())
    (copy / "model.safetensors").touch()
    (copy / "config.json").write_text(json.dumps({**config, "encoder_depth": 12}))
    assert identify(spec(copy)).layers == (9, 10, 11, 12)
    assert identify(spec(copy, layers=(1, 6))).layers == (1, 6)


@pytest.mark.parametrize("layers", [(0,), (3,), (1, 2, 3), (-1,), (9, 10, 11, 12)])
def test_layers_that_are_not_there_are_refused_with_those_there_are(encoder_folder, layers):
    with pytest.raises(SetupError, match="has layers 1 to 2; ask for some of those"):
        identify(spec(encoder_folder, layers=layers))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"temporal_pool": 0}, "temporal_pool is 0; it must be at least 1"),
        ({"precision": "fp16"}, "precision is 'fp16'; give auto, fp32 or bf16"),
        ({"device": "gpu"}, "device is 'gpu'; give auto, cpu, cuda or cuda:N"),
        ({"device": "cpu:0"}, "device is 'cpu:0'; give auto"),
    ],
)
def test_what_no_encoder_can_do_is_refused(given, told):
    with pytest.raises(SetupError, match=told):
        EncoderSpec(**given)


@pytest.mark.parametrize("name", ["/nowhere/muq", "./muq", "../muq", "~/muq"])
def test_a_folder_that_is_not_there_is_refused_by_name_and_never_sought_on_the_hub(name, monkeypatch):
    with pytest.raises(SetupError, match=f"encoder checkpoint {name}: no such folder"):
        locate_checkpoint(EncoderSpec(name))


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(SetupError, match=r"no config\.json there; a MuQ checkpoint is a folder with"):
        identify(spec(tmp_path))


@pytest.mark.parametrize("config", ["{", "{}", "[]"])
def test_a_config_that_is_not_muqs_is_refused_by_name(tmp_path, config):
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(SetupError, match="no weights"):
        identify(spec(tmp_path))
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(SetupError, match=r"config\.json: not the config of a MuQ checkpoint"):
        identify(spec(tmp_path))


def test_a_name_that_is_neither_folder_nor_on_the_hub_is_refused():
    with pytest.raises(SetupError, match="models/my/muq: no such folder, and not a name on the hub"):
        locate_checkpoint(EncoderSpec("models/my/muq"))


def test_a_hub_id_that_cannot_be_reached_is_refused_quickly_with_ways_on(tmp_path):
    code = (
        "from crescendai_assets.embeddings.identity import EncoderSpec, identify\n"
        "from crescendai_assets.lake.errors import SetupError\n"
        "try:\n"
        f"    identify(EncoderSpec(device='cpu', cache_dir={str(tmp_path)!r}))\n"
        "except SetupError as error:\n"
        "    print(error)\n"
    )
    started = time.monotonic()
    environment = {"HF_HUB_OFFLINE": "1", "PATH": "", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, env=environment, capture_output=True, text=True, check=True
    )
    assert "OpenMuQ/MuQ-large-msd-iter@main is not on this machine and cannot be downloaded" in done.stdout
    assert "crescendai doctor" in done.stdout
    assert "CRESCENDAI_MUQ_CHECKPOINT to a folder" in done.stdout
    assert time.monotonic() - started < 20


def test_a_cached_checkpoint_is_found_offline_and_its_commit_is_its_revision(encoder_folder, tmp_path):
    commit = "c" * 40
    repo = tmp_path / "models--some--muq"
    shutil.copytree(encoder_folder, repo / "snapshots" / commit)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    code = (
        "from crescendai_assets.embeddings.identity import EncoderSpec, identify\n"
        f"print(identify(EncoderSpec('some/muq', device='cpu', cache_dir={str(tmp_path)!r})))"
    )
    environment = {"HF_HUB_OFFLINE": "1", "PATH": "", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"checkpoint='some/muq', revision='{commit}'" in done.stdout


def test_settings_come_from_what_is_given_then_from_the_environment():
    environ = {"CRESCENDAI_MUQ_CHECKPOINT": "/env", "CRESCENDAI_DEVICE": "cpu", "CRESCENDAI_MUQ_REVISION": "abc"}
    assert spec_from(environ) == EncoderSpec("/env", "abc", device="cpu")
    assert spec_from(environ, checkpoint="/given", device=None).checkpoint == "/given"
    assert spec_from({}) == EncoderSpec()


def test_a_device_that_is_not_there_is_refused_with_a_way_on(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of("auto") == "cpu"
    with pytest.raises(SetupError, match="torch sees no CUDA device here; set device: cpu"):
        device_of("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device_of("auto") == "cuda"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device_of("cuda:1") == "cuda:1"
    with pytest.raises(SetupError, match="device cuda:2: there are 2 CUDA devices here"):
        device_of("cuda:2")


def test_precision_is_fp32_on_cpu_and_bf16_on_cuda_unless_chosen(encoder_folder, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    found = {d: identify(EncoderSpec(str(encoder_folder), device=d)).precision for d in ("cpu", "cuda")}
    assert found == {"cpu": "fp32", "cuda": "bf16"}
    assert identify(EncoderSpec(str(encoder_folder), device="cuda", precision="fp32")).precision == "fp32"


def test_a_folder_is_claimed_by_the_first_and_open_to_the_same_encoder(tmp_path):
    folder = tmp_path / "muq_embeddings"
    assert read_identity(folder) is None
    claim_folder(folder, MUQ, "maestro")
    before = contents(folder)
    assert set(before) == {IDENTITY_FILE}
    claim_folder(folder, replace(MUQ), "maestro")
    assert contents(folder) == before
    assert read_identity(folder) == MUQ


def test_a_second_identity_is_refused_and_both_ways_on_are_named(tmp_path):
    folder = tmp_path / "muq_embeddings"
    claim_folder(folder, MUQ, "maestro")
    before = contents(folder)
    with pytest.raises(SetupError) as caught:
        claim_folder(folder, replace(MUQ, layers=(5, 6)), "maestro")
    told = str(caught.value)
    assert "layers 9,10,11,12" in told
    assert "layers 5,6" in told
    assert "muq_embeddings-<name>/" in told
    assert "embedding_set" in told
    assert "`crescendai embeddings reset maestro`" in told
    assert contents(folder) == before


def test_of_many_that_claim_at_once_one_wins_and_the_others_compare(tmp_path):
    folder = tmp_path / "muq_embeddings"
    kinds = [MUQ, replace(MUQ, temporal_pool=1)]
    refused: list[int] = []
    gate = threading.Barrier(16)

    def claim(number):
        gate.wait()
        try:
            claim_folder(folder, kinds[number % 2], "maestro")
        except SetupError:
            refused.append(number % 2)

    threads = [threading.Thread(target=claim, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 8
    assert len(set(refused)) == 1
    assert read_identity(folder) == kinds[1 - refused[0]]
    assert set(contents(folder)) == {IDENTITY_FILE}


def test_of_two_processes_that_claim_at_once_one_is_refused(tmp_path):
    folder = tmp_path / "muq_embeddings"
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from crescendai_assets.embeddings.identity import EncoderIdentity, claim_folder\n"
        "from crescendai_assets.lake.errors import SetupError\n"
        "pool, start = int(sys.argv[1]), Path(sys.argv[3])\n"
        "print('ready', flush=True)\n"
        "while not start.exists(): pass\n"
        "try:\n"
        "    claim_folder(Path(sys.argv[2]), EncoderIdentity('x', 'y', (1,), pool, 'fp32'), 'maestro')\n"
        "    print('claimed')\n"
        "except SetupError:\n"
        "    print('refused')\n"
    )
    start = tmp_path / "start"
    command = [sys.executable, "-c", code]
    claims = [
        subprocess.Popen([*command, str(pool), str(folder), str(start)], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        for pool in (1, 8)
    ]
    for claim in claims:
        assert claim.stdout is not None
        assert claim.stdout.readline() == "ready\n"
    start.touch()
    told = [claim.communicate(timeout=30)[0].strip() for claim in claims]
    assert sorted(told) == ["claimed", "refused"]
    found = read_identity(folder)
    assert found is not None
    assert found.temporal_pool == (1, 8)[told.index("claimed")]


def test_a_full_disk_at_the_claim_leaves_nothing_and_says_what_to_do(tmp_path, monkeypatch):
    def no_space(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("crescendai_assets.embeddings.identity.os.link", no_space)
        with pytest.raises(SetupError, match="make room and run again"):
            claim_folder(tmp_path / "muq_embeddings", MUQ, "maestro")
    assert contents(tmp_path) == {}
    claim_folder(tmp_path / "muq_embeddings", MUQ, "maestro")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"checkpoint": "x"}'])
def test_an_identity_file_that_cannot_be_read_is_named_with_what_to_do(tmp_path, text):
    (tmp_path / IDENTITY_FILE).write_text(text)
    with pytest.raises(SetupError, match=r"encoder\.json: .*reset"):
        claim_folder(tmp_path, MUQ, "maestro")


def test_a_disk_without_hard_links_is_claimed_all_the_same(tmp_path, monkeypatch):
    import errno

    def no_links(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    one = EncoderIdentity("one", "sha256:1", (1,), 8, "fp32")
    claim_folder(tmp_path / "made", one, "maestro")
    claim_folder(tmp_path / "made", one, "maestro")
    assert read_identity(tmp_path / "made") == one
    with pytest.raises(SetupError, match="another encoder"):
        claim_folder(tmp_path / "made", EncoderIdentity("two", "sha256:2", (1,), 8, "fp32"), "maestro")
