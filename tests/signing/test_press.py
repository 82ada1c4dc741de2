"""What weir-sign presses, the node's own verification accepts; what it must refuse, it refuses."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tuf.api.metadata import MetaFile

from appliance.bundle import media, trust, verify
from appliance.bundle.content import load_generation
from appliance.bundle.refusal import BundleRefused
from appliance.bundle.trust import Trusted
from appliance.intake.labels import read_labels
from appliance.intake.limits import Limits
from appliance.store.floors import TrustState
from signing import declare as declaring
from signing import press as pressing
from signing import publish, recipe, rounds, station, tree
from signing import seal as sealing
from signing.errors import BenchError
from signing.evaluate import evaluate, signers_of
from signing.station import Station
from tests.signing.conftest import NOW, PASSPHRASE, YEAR, Bench, Publisher, gguf, place_model
from tests.signing.interrupted import points

ROOT = Path(__file__).resolve().parents[2]


def pressed(publisher: Publisher, content: Path, out: Path) -> Path:
    publisher.press(content)
    return publish.bundle(tree.Folder(publisher.station.directory), out)


def first_root(publisher: Publisher) -> TrustState:
    return verify.begin((publisher.station.metadata / "1.root.json").read_bytes())


def accepted(bundle: Path, state: TrustState) -> Trusted:
    """What the node says to it."""
    with media.opened(bundle) as source:
        return verify.trusted(source, state)


def reason(bundle: Path, state: TrustState) -> str:
    with pytest.raises(BundleRefused) as refused:
        accepted(bundle, state)
    return refused.value.reason


def test_the_node_accepts_a_bundle_as_a_directory_and_as_a_tar(
    publisher: Publisher, content: Path, tmp_path: Path
) -> None:
    bundle = pressed(publisher, content, tmp_path / "out")
    tar = publish.tar(tree.Folder(publisher.station.directory), tmp_path / "tar")
    assert (bundle.name, tar.name) == (f"site-{YEAR}.1.bundle", f"site-{YEAR}.1.bundle.tar")
    for form in (bundle, tar):
        found = accepted(form, first_root(publisher))
        assert found.manifest.id == f"site-{YEAR}.1"
        assert (found.root_name, found.evaluation) == ("Example", False)
        assert found.issued == NOW
        assert set(found.manifest.files) == {
            "models/small.gguf", "cards/small.json", "detectors.json", "evals/empty.jsonl",
            *(f"policy/{path.name}" for path in (content / "policy").iterdir()),
        }  # fmt: skip
        assert {role.name: len(role.keys) for role in found.roles if role.name in ("root", "models", "policies")} == {
            "root": 2, "models": 1, "policies": 2,
        }  # fmt: skip


def test_files_come_back_out_of_their_blobs(publisher: Publisher, content: Path, tmp_path: Path) -> None:
    bundle = pressed(publisher, content, tmp_path / "out")
    found = accepted(bundle, first_root(publisher))
    assert len(found.manifest.files["models/small.gguf"]) == 2
    for path, pieces in found.manifest.files.items():
        whole = b"".join((bundle / f"blobs/sha256/{piece.sha256[:2]}/{piece.sha256}").read_bytes() for piece in pieces)
        assert whole == (content / path).read_bytes()
    kept = [path.name for path in bundle.rglob("*") if path.is_file()]
    assert not [name for name in kept if name.endswith(".part") or name.startswith(".")]


def test_the_starter_content_is_pressed_with_evaluation_keys_and_says_so(tmp_path: Path, bench: Bench) -> None:
    assert bench("evaluate", tmp_path / "ev").code == 0
    done = bench("press", tmp_path / "ev", ROOT / "bundles/starter.yaml", "--out", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert (said["sealed"], said["waiting"]) == (True, {})
    (written,) = said["written"]
    root = (tmp_path / "ev/metadata/1.root.json").read_bytes()
    found = accepted(Path(written), verify.begin(root))
    assert found.evaluation is True
    assert found.role["targets"].threshold == len(found.role["targets"].keys) == 2
    assert trust.root_facts(root) == (1, "Evaluation, no publisher", True)
    assert "EVALUATION" in (Path(written) / "README.txt").read_text()
    shown = bench("inspect", written)
    assert shown.code == 0
    assert "EVALUATION" in shown.out


def test_a_policy_only_change_touches_no_model_and_its_role_alone(
    publisher: Publisher, content: Path, tmp_path: Path
) -> None:
    first = pressed(publisher, content, tmp_path / "one")
    (content / "policy" / "baseline.cedar").write_text("forbid(principal, action, resource);\n")
    later = NOW + timedelta(minutes=1)
    made, drafted = pressing.press(publisher.station, recipe.read(content, "site"), later)
    assert made.id == f"site-{YEAR}.2"
    assert drafted == ("policies", "targets")
    publisher.sign_all()
    publisher.seal(later)
    second = publish.bundle(tree.Folder(publisher.station.directory), tmp_path / "two")
    state = first_root(publisher)
    state = verify.accepted(state, accepted(first, state))
    found = accepted(second, state)
    before = verify.manifest_of(state)
    assert verify.changes(before, found.manifest).changed == ("policy/baseline.cedar",)
    assert reason(first, verify.accepted(state, found)) == "older_bundle"


def test_the_same_content_keeps_its_id(publisher: Publisher, content: Path) -> None:
    assert publisher.press(content).id == publisher.press(content, NOW + timedelta(minutes=1)).id == f"site-{YEAR}.1"
    assert publisher.press(content, NOW + timedelta(minutes=1), name="other").id == f"other-{YEAR}.1"


def test_an_unchanged_content_is_not_signed_again(tmp_path: Path, content: Path, bench: Bench) -> None:
    made = evaluate(tmp_path / "ev", NOW)
    command = ("press", made.directory, content, "--name", "site", "--out", tmp_path / "out", "--json")
    first = bench(*command)
    (bundle,) = (tmp_path / "out").iterdir()
    before = {path: (path.read_bytes(), path.stat().st_ino) for path in bundle.rglob("*") if path.is_file()}
    assert bench(*command).out == first.out
    assert {path: (path.read_bytes(), path.stat().st_ino) for path in bundle.rglob("*") if path.is_file()} == before
    assert bench("seal", made.directory).code == 0
    assert bench(*command).out == first.out
    changed = {path.name for path, (was, _) in before.items() if not path.exists() or path.read_bytes() != was}
    assert changed == {"timestamp.json", "2.snapshot.json"}
    assert accepted(bundle, verify.begin((made.metadata / "1.root.json").read_bytes())).role["timestamp"].version == 3


def test_without_enough_signatures_nothing_is_published(
    publisher: Publisher, content: Path, tmp_path: Path, bench: Bench
) -> None:
    where = publisher.station.directory
    done = bench("press", where, content, "--name", "site", "--out", tmp_path / "out")
    assert done.code == 1
    assert "targets: signed by nobody; 2 missing, may still sign: anna, boris, chen" in done.out
    assert not (tmp_path / "out").exists()
    assert bench("bundle", where, tmp_path / "out").code == 1
    publisher.sign("targets", "anna")
    publisher.sign("models", "dora")
    publisher.sign("policies", "boris", "chen")
    with pytest.raises(BenchError) as refused:
        publisher.seal()
    assert (refused.value.code, len(refused.value.details)) == ("threshold_missed", 1)
    published = publisher.station.published("targets")
    assert published is not None and published.signed.targets == {}


def test_one_command_signs_seals_and_writes_where_all_keys_are_at_hand(
    publisher: Publisher, content: Path, tmp_path: Path, bench: Bench
) -> None:
    names = ("anna", "boris", "dora", "station")
    named = [word for name in names for word in ("--key", publisher.keys / f"{name}.key")]
    where = publisher.station.directory
    done = bench(
        "press", where, content, "--name", "site", "--out", tmp_path, "--tar", *named, passphrases=(PASSPHRASE,) * 4
    )
    assert done.code == 0, done.err
    bundle = next(tmp_path.glob("site-*.bundle"))
    assert accepted(bundle, first_root(publisher)).role["policies"].version == 2
    assert next(tmp_path.glob("site-*.bundle.tar")).is_file()


def test_a_holder_of_targets_sees_what_would_become_active(publisher: Publisher, content: Path) -> None:
    pressing.press(publisher.station, recipe.read(content, "site"), NOW)
    changes = rounds.look(publisher.station, "targets").changes
    assert (
        "+ generation: models/small.gguf: " + str((content / "models/small.gguf").stat().st_size) + " bytes" in changes
    )
    shutil.rmtree(publisher.station.directory / "targets")
    assert any(
        line.startswith("! generation.json is not in this copy")
        for line in rounds.look(publisher.station, "targets").changes
    )


def swapped(content: Path) -> None:
    place_model(content, gguf())
    (content / "models" / "small.gguf").write_bytes(gguf())


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (swapped, "another file than the card states"),
        (lambda content: (content / "models" / "small.gguf").unlink(), "which is not in the content"),
        (lambda content: (content / "evals" / "link").symlink_to("/etc/passwd"), "link or a device"),
        (lambda content: os.mkfifo(content / "evals" / "pipe"), "link or a device"),
        (lambda content: (content / "surprise.txt").write_text("x"), "No role answers"),
        (lambda content: (content / "evals" / "a b").write_text("x"), "characters that a path may not have"),
        (lambda content: (content / "evals" / "con.txt").write_text("x"), "some file systems"),
        (lambda content: (content / "evals" / "EMPTY.jsonl").write_text("{}"), "differ in case"),
        (shutil.rmtree, "cannot be read"),
    ],
)  # fmt: skip
def test_content_that_cannot_be_pressed_is_named_and_changes_nothing(
    publisher: Publisher, content: Path, spoil: Callable[[Path], object], words: str, bench: Bench
) -> None:
    spoil(content)
    done = bench("press", publisher.station.directory, content, "--name", "site")
    assert done.code == 2
    assert words in done.err
    assert done.err.splitlines()[0].endswith("[recipe_invalid]")
    assert publisher.station.drafted() == ()


def test_a_recipe_adds_takes_away_and_states_the_rest(publisher: Publisher, content: Path, tmp_path: Path) -> None:
    (tmp_path / "extra.jsonl").write_text("{}\n")
    (tmp_path / "sbom.json").write_text("{}")
    file = tmp_path / "site.yaml"
    file.write_text(
        "name: field\ncontent: content\nremove: [evals/empty.jsonl]\nadd: {evals/extra.jsonl: extra.jsonl}\n"
        "cards: [{id: remote, runtime: openai_http}]\nsecurity_epoch: 3\nleast_appliance: 0.1.0\n"
        "architectures: [x86_64]\nsbom: sbom.json\nchangelog: For the field.\n"
        "health: {prompts: [{name: one, card: small, prompt: Hello}],"
        " denials: [{name: two, card: small, labels: {classification: secret}}]}\n"
    )
    made = publisher.press(file, name="")
    assert made.id == f"field-{YEAR}.1"
    assert "evals/empty.jsonl" not in made.files
    assert {"evals/extra.jsonl", "cards/remote.json"} <= made.files.keys()
    assert (made.security_epoch, made.architectures, made.changelog) == (3, ("x86_64",), "For the field.")
    assert made.health.prompts[0].card == made.health.denials[0].card == "small"
    assert made.sbom_sha256 == hashlib.sha256(b"{}").hexdigest()


def test_a_day_in_a_card_needs_no_quotes(publisher: Publisher, content: Path, tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text("name: site\ncontent: content\ncards: [{id: remote, price: {as_of: 2026-11-21}}]\n")
    written = recipe.read(file).files["cards/remote.json"]
    assert isinstance(written, bytes)
    assert json.loads(written)["price"] == {"as_of": "2026-11-21"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "[" * 5000,
        "name: site\nchangelog: 2026-13-45",
        "name: UPPER",
        "name: site",
        "name: site\nsurprise: 1",
        "name: site\ncontent: content\nremove: [gone]",
        "name: site\ncontent: content\nhealth: {prompts: [{name: x}]}",
        "name: site\ncontent: content\narchitectures: [vax]",
        "name: site\ncontent: content\nleast_appliance: new",
        "name: site\ncontent: content\nsecurity_epoch: -1",
        "name: site\ncontent: content\nadd: {../x: site.yaml}",
        "name: site\ncontent: content\nadd: {evals/x: gone}",
        "name: site\ncontent: content\nadd: {evals/x: /dev/zero}",
        "name: site\ncontent: content\nadd: {evals/x: content}",
        "name: site\ncontent: content\ncards: [{id: remote, n: !!binary aGVsbG8=}]",
        "name: site\ncontent: content\ncards: [{id: remote, n: .nan}]",
        "name: site\ncontent: content\ncards: [{id: site/one}, {id: site-one}]",
        "name: site\ncontent: content\ncards: [{id: one}, {id: one}]",
        "name: site\ncontent: content\ncards: [{id: remote, n: &n {n: *n}}]",
    ],
)
def test_a_recipe_that_is_wrong_is_refused(
    publisher: Publisher, content: Path, tmp_path: Path, text: str, bench: Bench
) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(text)
    done = bench("press", publisher.station.directory, file)
    assert (done.code, done.out) == (2, "")
    assert "[recipe_invalid]" in done.err


def test_an_expired_root_presses_nothing(publisher: Publisher, content: Path) -> None:
    with pytest.raises(BenchError) as refused:
        pressing.press(publisher.station, recipe.read(content, "site"), NOW + timedelta(days=1095))
    assert refused.value.code == "expired"
    assert "renew" in refused.value.next_step


def test_a_chain_of_rotations_takes_a_node_of_the_first_root_along(
    publisher: Publisher, content: Path, tmp_path: Path
) -> None:
    state = first_root(publisher)
    state = verify.accepted(state, accepted(pressed(publisher, content, tmp_path / "0"), state))
    holders = ["anna", "boris", "chen"]
    for name in ("freda", "gero", "hans"):
        publisher.holder(name)
        old = ", ".join(holders)
        holders = [*holders[1:], name]
        publisher.roles(f"[{old}]", f"[{', '.join(holders)}]")
        declaring.declare(publisher.station, NOW)
        publisher.sign_all()
        publisher.seal()
    last = publish.bundle(tree.Folder(publisher.station.directory), tmp_path / "last")
    found = accepted(last, state)
    assert found.role["root"].version == 4
    (last / "metadata/3.root.json").unlink()
    assert reason(last, state) == "root_gap"


def test_fast_forward_is_recovered_by_replacing_the_stations_key(
    publisher: Publisher, content: Path, tmp_path: Path
) -> None:
    state = first_root(publisher)
    state = verify.accepted(state, accepted(pressed(publisher, content, tmp_path / "good"), state))
    stolen = Publisher(
        Station(Path(shutil.copytree(publisher.station.directory, tmp_path / "stolen"))),
        publisher.keys,
        {"station": publisher.signers["station"]},
    )
    forward = b""
    for role, name in (("snapshot", "2000000000.snapshot"), ("timestamp", "timestamp")):
        found = stolen.station.published(role)
        assert found is not None
        found.signed.version = 2_000_000_000
        if role == "timestamp":
            found.signed.snapshot_meta = MetaFile.from_data(2_000_000_000, forward, ["sha256"])
        found.sign(stolen.signers["station"])
        forward = station.to_bytes(found)
        (stolen.station.metadata / f"{name}.json").write_bytes(forward)
    evil = publish.bundle(tree.Folder(stolen.station.directory), tmp_path / "evil")
    state = verify.accepted(state, accepted(evil, state))
    assert state.floors.versions["timestamp"] == 2_000_000_000
    (content / "detectors.json").write_text('{"more": 1}\n')
    publisher.press(content, NOW + timedelta(minutes=1))
    stuck = publish.bundle(tree.Folder(publisher.station.directory), tmp_path / "stuck")
    assert reason(stuck, state) == "older_bundle"
    publisher.holder("station-two")
    publisher.roles("[station]", "[station-two]")
    assert declaring.declare(publisher.station, NOW) == ("root",)
    publisher.sign_all()
    publisher.seal(NOW + timedelta(minutes=2))
    fresh = publish.bundle(tree.Folder(publisher.station.directory), tmp_path / "fresh")
    found_again = accepted(fresh, state)
    assert found_again.recovered is True
    assert found_again.floors.versions["timestamp"] < 10
    assert reason(evil, verify.accepted(state, found_again)) == "threshold_missed"


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(content))


def stripped(path: Path) -> None:
    """One signature of two taken away."""
    said = json.loads(path.read_text())
    said["signatures"] = said["signatures"][:1]
    path.write_text(json.dumps(said, separators=(",", ":")))


@pytest.mark.parametrize(
    ("name", "spoil", "node"),
    [
        ("metadata/timestamp.json", flipped, True),
        ("metadata/2.snapshot.json", flipped, True),
        ("metadata/2.targets.json", flipped, True),
        ("metadata/2.targets.json", stripped, True),
        ("metadata/2.policies.json", flipped, True),
        ("metadata/1.root.json", Path.unlink, True),
        ("metadata/1.appliance.json", Path.unlink, True),
        ("targets/*.generation.json", flipped, True),
        ("blobs/sha256/*/*", flipped, False),
        ("blobs/sha256/*/*", Path.unlink, False),
    ],
)
def test_a_bundle_that_was_tampered_with_is_refused_here_and_by_the_node(
    publisher: Publisher,
    content: Path,
    tmp_path: Path,
    bench: Bench,
    name: str,
    spoil: Callable[[Path], None],
    node: bool,
) -> None:
    state = first_root(publisher)
    bundle = pressed(publisher, content, tmp_path / "out")
    spoil(sorted(bundle.glob(name))[0])
    seen = bench("inspect", bundle)
    assert seen.code == 1, seen.out
    if node and name != "metadata/1.root.json":  # a node that has the first root asks for no other copy of it
        assert reason(bundle, state) in ("mixed_metadata", "threshold_missed", "missing_metadata", "bad_metadata")
    mirror = tmp_path / "mirror"
    mirrored = bench("mirror", bundle, mirror)
    assert mirrored.code == 1
    assert not (mirror / "metadata" / "timestamp.json").exists()


GOLDEN = ROOT / "bundles" / "golden"
# Reasons that lie in the node's state or in the time, and not in the bundle.
_NOT_IN_THE_TREE = ("expired", "older_bundle", "epoch_below_floor", "id_reused", "issued_too_early")


@pytest.mark.parametrize("bad", sorted((GOLDEN / "bad").glob("*.json")), ids=lambda path: path.stem)
def test_the_golden_bad_bundles_do_not_pass_for_good_here_either(tmp_path: Path, bad: Path, bench: Bench) -> None:
    said = json.loads(bad.read_text())
    bundle = tmp_path / "golden-2026.1.bundle"
    shutil.copytree(next(GOLDEN.glob("*.bundle")), bundle)
    for path in said["remove"]:
        (bundle / path).unlink()
    for path, text in said["put"].items():
        (bundle / path).parent.mkdir(parents=True, exist_ok=True)
        (bundle / path).write_text(text)
    assert bench("inspect", bundle).code == (0 if said["reason"] in _NOT_IN_THE_TREE else 1)


def test_the_denials_of_the_starter_are_refused_by_its_policy() -> None:
    generation = load_generation(ROOT / "build/starter")
    cards = {card.id: card for card in generation.cards}
    health = recipe.read(ROOT / "bundles/starter.yaml").recipe.health
    assert {prompt.card for prompt in health.prompts} == {"weir-desk"}
    assert len(health.denials) == 4
    for denial in health.denials:
        labels = read_labels({f"X-Weir-{name}": value for name, value in denial.labels.items()}, Limits())
        assert generation.policy.refusal(cards[denial.card], labels) is not None, denial.name


def test_a_delegated_role_that_signs_beyond_its_paths_is_refused(
    publisher: Publisher, content: Path, tmp_path: Path
) -> None:
    state = first_root(publisher)
    pressing.press(publisher.station, recipe.read(content, "site"), NOW)
    models, policies = publisher.station.draft("models"), publisher.station.draft("policies")
    assert models is not None and policies is not None
    models.signed.targets["policy/baseline.cedar"] = policies.signed.targets.pop("policy/baseline.cedar")
    publisher.station.save_draft("models", models)
    publisher.station.save_draft("policies", policies)
    publisher.sign_all()
    publisher.seal()
    with pytest.raises(BenchError) as refused:
        publish.bundle(tree.Folder(publisher.station.directory), tmp_path / "out")
    assert refused.value.code == "bundle_invalid"
    assert reason(publisher.station.directory, state) == "outside_prefix"


def test_pressing_signing_and_sealing_killed_at_any_point_are_run_again(quick_disk: Path, content: Path) -> None:
    made = evaluate(quick_disk / "ev", NOW)
    state = verify.begin((made.metadata / "1.root.json").read_bytes())
    signers = signers_of(made)
    shutil.rmtree(content / "evals")

    def work(at: Path) -> None:
        opened = Station(at)
        pressing.press(opened, recipe.read(content, "site"), NOW)
        rounds.sign_all(opened, signers)
        sealing.seal(opened, signers, NOW)

    def prepare(at: int) -> Callable[[], None]:
        shutil.copytree(made.directory, quick_disk / str(at))
        return lambda: work(quick_disk / str(at))

    for at in points(prepare):
        work(quick_disk / str(at))
        assert not list((quick_disk / str(at)).rglob(".*"))
        assert accepted(quick_disk / str(at), state).manifest.id == f"site-{YEAR}.1"
        shutil.rmtree(quick_disk / str(at))


@pytest.mark.parametrize("again", [False, True], ids=["the first", "in place of an older issue"])
def test_writing_a_bundle_killed_at_any_point_leaves_no_half_one(quick_disk: Path, content: Path, again: bool) -> None:
    made = evaluate(quick_disk / "ev", NOW)
    state = verify.begin((made.metadata / "1.root.json").read_bytes())
    signers = signers_of(made)
    shutil.rmtree(content / "evals")
    pressing.press(made, recipe.read(content, "site"), NOW)
    rounds.sign_all(made, signers)
    sealing.seal(made, signers, NOW)
    source = tree.Folder(made.directory)
    if again:
        publish.bundle(source, quick_disk / "before")
        sealing.seal(made, signers, NOW + timedelta(minutes=1))

    def work(out: Path) -> None:
        publish.bundle(source, out)
        publish.tar(source, out)

    def prepare(at: int) -> Callable[[], None]:
        if again:
            shutil.copytree(quick_disk / "before", quick_disk / str(at))
        return lambda: work(quick_disk / str(at))

    for at in points(prepare):
        out = quick_disk / str(at)
        for found in out.glob("site-*"):
            accepted(found, state)
        work(out)
        assert sorted(path.name for path in out.iterdir()) == [f"site-{YEAR}.1.bundle", f"site-{YEAR}.1.bundle.tar"]
        newest = {accepted(found, state).issued for found in out.iterdir()}
        assert newest == {NOW + timedelta(minutes=1 if again else 0)}
        shutil.rmtree(out)


def test_the_tar_is_the_same_whoever_writes_it(publisher: Publisher, content: Path, tmp_path: Path) -> None:
    bundle = pressed(publisher, content, tmp_path / "out")
    tars = [
        publish.tar(tree.open_tree(source), tmp_path / str(at)).read_bytes()
        for at, source in enumerate((publisher.station.directory, bundle))
    ]
    assert tars[0] == tars[1]
    with tarfile.open(tmp_path / "0" / f"site-{YEAR}.1.bundle.tar") as archive:
        assert {(member.uid, member.gid, member.mode, member.uname) for member in archive} == {(0, 0, 0o644, "")}
        assert archive.getnames()[-1] == f"site-{YEAR}.1.bundle/metadata/timestamp.json"


def test_another_bundle_of_the_same_name_is_not_replaced(publisher: Publisher, content: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / f"site-{YEAR}.1.bundle").mkdir(parents=True)
    (tmp_path / "out" / f"site-{YEAR}.1.bundle" / "mine").write_text("x")
    with pytest.raises(BenchError) as refused:
        pressed(publisher, content, tmp_path / "out")
    assert refused.value.code == "bundle_exists"
    assert (tmp_path / "out" / f"site-{YEAR}.1.bundle" / "mine").exists()


def test_the_difference_of_two_bundles_names_files_bytes_and_keys(
    publisher: Publisher, content: Path, tmp_path: Path, bench: Bench
) -> None:
    first = pressed(publisher, content, tmp_path / "one")
    place_model(content, gguf(chat=b"x" * 100)[:-256] + (content / "models" / "small.gguf").read_bytes()[-256:])
    (content / "detectors.json").unlink()
    publisher.holder("freda")
    publisher.roles("models:    {holders: [dora, emil]", "models:    {holders: [dora, freda]")
    declaring.declare(publisher.station, NOW)
    publisher.sign_all()
    second = pressed(publisher, content, tmp_path / "two")
    done = bench("diff", first, second)
    assert done.code == 1
    assert "- detectors.json" in done.out
    assert "~ cards/small.json" in done.out
    assert "freda" in done.out
    model = next(line for line in done.out.splitlines() if line.startswith("~ models/small.gguf"))
    assert int(model.split(",")[1].split()[0]) < 512
    assert bench("diff", second, second).out == "The same.\n"


def test_a_model_of_ones_own_takes_two_commands(tmp_path: Path, content: Path, bench: Bench) -> None:
    made = evaluate(tmp_path / "ev", NOW)
    model = tmp_path / "My Model v1.gguf"
    model.write_bytes(gguf())
    recipe_file = tmp_path / "my-model.yaml"
    written = bench("recipe", model, "--content", content)
    assert written.code == 0
    recipe_file.write_text(written.out)
    done = bench("press", made.directory, recipe_file, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    (bundle,) = (tmp_path / "out").iterdir()
    found = accepted(bundle, verify.begin((made.metadata / "1.root.json").read_bytes()))
    assert found.manifest.id.startswith("with-my-model-v1-")
    assert {"models/My-Model-v1.gguf", "cards/My-Model-v1.json", "cards/small.json"} <= found.manifest.files.keys()


def test_a_recipe_that_adds_to_another_keeps_all_that_it_says(tmp_path: Path, content: Path, bench: Bench) -> None:
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "extra.jsonl").write_text("{}\n")
    (tmp_path / "house" / "site.yaml").write_text(
        "name: site\ncontent: ../content\nadd: {evals/extra.jsonl: extra.jsonl}\nremove: [evals/empty.jsonl]\n"
        "security_epoch: 2\nchangelog: Of the site.\n"
        "health: {prompts: [{name: one, card: small, prompt: Hello, contains: [you]}],"
        " denials: [{name: two, card: small, labels: {locale: fr-FR}}]}\n"
    )
    model = tmp_path / "mine.gguf"
    model.write_bytes(gguf(chat=b"another"))
    written = bench("recipe", model, "--content", tmp_path / "house" / "site.yaml")
    assert written.code == 0, written.err
    (tmp_path / "mine.yaml").write_text(written.out)
    found = recipe.read(tmp_path / "mine.yaml")
    before = recipe.read(tmp_path / "house" / "site.yaml")
    assert found.recipe.health.prompts[:1] == before.recipe.health.prompts
    assert found.recipe.health.prompts[1].card == "mine"
    assert found.recipe.health.denials == before.recipe.health.denials
    assert found.recipe.security_epoch == 2
    assert found.files.keys() == before.files.keys() | {"models/mine.gguf", "cards/mine.json"}


def test_cards_that_would_be_one_file_are_named_and_none_is_lost(tmp_path: Path, content: Path) -> None:
    (tmp_path / "site.yaml").write_text("name: site\ncontent: content\ncards: [{id: site/one}, {id: site-one}]\n")
    with pytest.raises(BenchError) as refused:
        recipe.read(tmp_path / "site.yaml")
    assert refused.value.details == ("cards: 2 of them would be cards/site-one.json; give them other ids",)


def test_a_model_that_is_added_again_takes_the_place_of_the_one_before(
    tmp_path: Path, content: Path, bench: Bench
) -> None:
    model, first, second = tmp_path / "mine.gguf", tmp_path / "first.yaml", tmp_path / "second.yaml"
    model.write_bytes(gguf())
    first.write_text(bench("recipe", model, "--content", content).out)
    model.write_bytes(gguf(chat=b"another"))
    second.write_text(bench("recipe", model, "--content", first).out)
    (card,) = recipe.read(second).recipe.cards
    assert card["files"][0]["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()


def test_the_recipe_of_the_readme_keeps_the_starters_golden_prompts(tmp_path: Path, bench: Bench) -> None:
    model = tmp_path / "mine.gguf"
    model.write_bytes(gguf())
    (tmp_path / "mine.yaml").write_text(bench("recipe", model, "--content", ROOT / "bundles/starter.yaml").out)
    starter = recipe.read(ROOT / "bundles/starter.yaml").recipe.health
    kept = recipe.read(tmp_path / "mine.yaml").recipe.health
    assert len(starter.prompts) > 1
    assert (kept.prompts[:-1], kept.denials) == (starter.prompts, starter.denials)
