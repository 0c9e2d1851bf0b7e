"""Which backends are installed here, which one is the usual one, and how to get another."""

from types import SimpleNamespace

import pytest

from timelift.errors import UserError
from timelift.measure import backends, options

FIRST, EXPECTED = "the first that is installed", "expected tensorflow, jax, torch as the backend,"


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (("tensorflow jax torch", "", "{}"), f"backend tensorflow, {FIRST}"),
        (("jax torch", "", "{}"), f"backend jax, {FIRST}"),
        (("", "", "{}"), f"backend tensorflow, {FIRST}"),
        (("tensorflow jax", "", '{"backend": "jax"}'), "backend jax, as FILE says"),
        (("tensorflow jax", "", '{"backend": "jax",}'), f"backend tensorflow, {FIRST}"),
        (("tensorflow jax", "jax", "[]"), "backend jax, as KERAS_BACKEND says"),
        (("jax", "", '{"backend": "torch"}'), "backend jax, since torch, as FILE says, is no"),
        (("tensorflow", "openvino", "{}"), f"KERAS_BACKEND: {EXPECTED} received 'openvino'"),
        (("tensorflow", "jax", "{}"), "KERAS_BACKEND: jax is not installed; install it with: "),
        (("tensorflow", "", '{"backend": ["jax"]}'), f"FILE: {EXPECTED} received ['jax']; change"),
        (("jax", "", "[1]"), f"backend jax, {FIRST}"),
    ],
)
def test_the_usual_backend_is_keras_s_or_the_first_installed(monkeypatch, tmp_path, told, words):
    installed, variable, text = told
    monkeypatch.setattr("importlib.util.find_spec", installed.split().__contains__)
    monkeypatch.setenv("KERAS_BACKEND", variable)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "keras.json").write_text(text)
    try:
        usual, said = *options.option_named("backends").value(""), backends.usual_backend()[1]
    except UserError as error:
        usual, said = None, str(error)
    assert said.replace(str(tmp_path / "keras.json"), "FILE").startswith(words)
    assert words.startswith(f"backend {usual}, ") == (usual is not None)


#: What metadata says of an extra, of a base that all need, and of Pythons that this one is not.
REQUIRES = [
    "pytest>=8",
    *("jax>=0.4; extra == 'jax'", 'keras[a]<4,>=3.4; extra == "jax"', "keras; extra == 'torch'"),
    "old; python_version < '3' and extra == 'jax'",
]


def test_what_lacks_is_told_by_its_own_names_until_ours_is_published(monkeypatch):
    ours = [SimpleNamespace(requires=REQUIRES)]
    monkeypatch.setattr(backends, "distributions", lambda **_: ours)
    assert backends.how_to_install("jax") == "pip install jax keras"
    ours.clear()  # a checkout that is not installed
    assert backends.how_to_install("jax") == "pip install '.[jax]' in timelift's folder"
    monkeypatch.setattr(backends, "ON_PYPI", True)
    assert backends.how_to_install("jax") == "pip install 'timelift[jax]'"
