"""Reading objects as their format: digests of good bytes, the finding in bad ones."""

import hashlib
import io
import json
import pickle
import struct
import zipfile

import msgspec
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosml import probe
from chaosml.artifacts import arrays as arrays_module
from chaosml.artifacts import npz as npz_module
from chaosml.artifacts.formats import read_content

STATE = {
    "model/w1": numpy.arange(12, dtype="<f4").reshape(3, 4),
    "model/b1": numpy.zeros(0, dtype="<f8"),
    "optimizer/momentum": numpy.asfortranarray(numpy.arange(6, dtype="<f8").reshape(2, 3)),
    "rng/state": numpy.array([1, 2, 3], dtype="<u8"),
    "meta/step": numpy.array(40, dtype="<i8"),
}


def read(data, name):
    return read_content(
        io.BytesIO(data), name, size=len(data), sha256=hashlib.sha256(data).hexdigest()
    )


def as_npz(arrays, *, compress=False):
    file = io.BytesIO()
    (numpy.savez_compressed if compress else numpy.savez)(file, **arrays)
    return file.getvalue()


def as_safetensors(tensors, *, metadata=None):
    header, body = {}, b""
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {
            "dtype": dtype,
            "shape": shape,
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    if metadata:
        header["__metadata__"] = metadata
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def as_zip(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    numpy.save(file, array, allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize("compress", [False, True])
def test_an_npz_has_the_digests_that_the_probe_would_claim(compress):
    content = read(as_npz(STATE, compress=compress), "npz")
    assert content.problem is None
    assert content.digest == probe.digest(STATE)
    assert content.digests == {
        component: probe.digest(
            {name: array for name, array in STATE.items() if name.startswith(f"{component}/")}
        )
        for component in ("meta", "model", "optimizer", "rng")
    }


def test_the_step_and_the_scalars_of_a_state_are_read():
    content = read(as_npz(STATE), "npz")
    assert content.step == 40
    assert content.fields == {"meta/step": 40}


@pytest.mark.parametrize("name", ["step", "sampler/step", "meta/global_step"])
def test_a_step_may_stand_in_several_places(name):
    assert read(as_npz({name: numpy.array([7])}), "npz").step == 7


def test_names_without_a_component_are_a_component_of_their_own():
    content = read(as_npz({"w": numpy.ones(2), "model/w": numpy.ones(2)}), "npz")
    assert content.digests == {
        "model": probe.digest({"model/w": numpy.ones(2)}),
        "unnamed": probe.digest({"w": numpy.ones(2)}),
    }


def test_the_same_values_in_another_type_or_shape_have_another_digest():
    digests = {
        read(as_npz({"model/w": array}), "npz").digest
        for array in (
            numpy.zeros(4, "<f4"),
            numpy.zeros(4, "<f8"),
            numpy.zeros((2, 2), "<f4"),
            numpy.zeros(4, "<i4"),
        )
    }
    assert len(digests) == 4


def test_byte_order_in_the_file_does_not_change_the_digest():
    little, big = numpy.arange(4, dtype="<i4"), numpy.arange(4, dtype=">i4")
    assert read(as_npz({"a/b": little}), "npz").digest == read(as_npz({"a/b": big}), "npz").digest


@pytest.mark.parametrize("keep", [4, 100, 0.5, 0.9, -1])
def test_a_torn_npz_is_truncated(keep):
    whole = as_npz(STATE)
    cut = int(len(whole) * keep) if isinstance(keep, float) else keep
    content = read(whole[:cut], "npz")
    assert content.problem.startswith("truncated: not an npz")
    assert content.digest is None


def test_an_empty_object_and_a_text_are_no_npz():
    assert "not a zip" in read(b"", "npz").problem
    assert "not a zip" in read(b"hello", "npz").problem


def test_a_flipped_byte_in_an_array_is_found():
    whole = bytearray(as_npz({"model/w": numpy.zeros(4096)}))
    whole[len(whole) // 2] ^= 1
    assert "Bad CRC-32" in read(bytes(whole), "npz").problem


class _Trap:
    def __reduce__(self):
        return (pytest.fail, ("an object of the pipeline was unpickled",))


def test_pickled_objects_are_refused_and_not_loaded():
    bomb = numpy.empty(1, dtype=object)
    bomb[0] = _Trap()
    problem = read(as_zip([("model/w.npy", npy(bomb))]), "npz").problem
    assert problem == "holds pickled objects, which are not read: model/w.npy"


def test_a_header_that_asks_for_more_memory_than_the_file_has_is_refused():
    header = io.BytesIO()
    numpy.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 50,)}
    )
    problem = read(as_zip([("model/w.npy", header.getvalue() + b"12345678")]), "npz").problem
    assert problem.startswith("truncated: model/w.npy has shape")


def test_a_zip_that_unfolds_beyond_the_limit_is_refused_before_it_is_unfolded(monkeypatch):
    monkeypatch.setattr(npz_module, "ARRAY_BYTES_MAX", 1000)
    problem = read(as_npz({"model/w": numpy.zeros(1000)}, compress=True), "npz").problem
    assert problem == "too large: 8128 bytes uncompressed, limit 1000"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_in_the_archive_is_ambiguous():
    member = npy(numpy.zeros(1))
    problem = read(as_zip([("a/b.npy", member), ("a/b.npy", member)]), "npz").problem
    assert problem == "not an npz: two members have the same name"


def test_bytes_after_an_array_are_refused():
    problem = read(as_zip([("a/b.npy", npy(numpy.zeros(2)) + b"x")]), "npz").problem
    assert problem == "not an npz: a/b.npy goes on after its array"


def test_safetensors_have_the_digest_of_the_same_arrays():
    weights = numpy.arange(6, dtype="<f4").reshape(2, 3)
    data = as_safetensors(
        {
            "model/w": ("F32", [2, 3], weights.tobytes()),
            "meta/step": ("I64", [], struct.pack("<q", 60)),
        },
        metadata={"format": "np"},
    )
    content = read(data, "safetensors")
    assert content.digest == probe.digest(
        {"model/w": weights, "meta/step": numpy.array(60, dtype="<i8")}
    )
    assert content.step == 60


def test_bfloat16_is_digested_by_its_bits():
    content = read(as_safetensors({"model/w": ("BF16", [2], b"\x80\x3f\x00\x40")}), "safetensors")
    assert content.digest == probe.digest({"model/w": numpy.array([0x3F80, 0x4000], "<u2")})


_TENSOR = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def _header(text, body=b""):
    return struct.pack("<Q", len(text)) + text + body


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "truncated: 0 bytes"),
        (struct.pack("<Q", 50) + b"{}", "truncated: 10 bytes, the header alone has 58"),
        (struct.pack("<Q", 1 << 60), "its header would have"),
        (_header(b"[]"), "not a safetensors"),
        (_header(b'{"\xff": 1}'), "not a safetensors"),
        (_header(b'{"a": {"dtype": "F32"}}'), "missing required field"),
        (_header(json.dumps({"a": _TENSOR}).encode(), b"1234"), "truncated: 4 bytes of tensors"),
        (_header(json.dumps({"a": _TENSOR}).encode(), b"12345678x"), "belong to no tensor"),
        (
            _header(json.dumps({"a": _TENSOR, "b": _TENSOR}).encode(), b"12345678"),
            "b with 8 bytes is placed at 0 to 8, expected at 8",
        ),
        (
            _header(json.dumps({"a": {**_TENSOR, "shape": [1 << 40, 1 << 40]}}).encode()),
            "is placed at",
        ),
        (_header(json.dumps({"a": {**_TENSOR, "dtype": "F6"}}).encode()), "a is F6"),
        (_header(json.dumps({"a": {**_TENSOR, "shape": [-2]}}).encode()), "not a safetensors"),
    ],
)
def test_what_contradicts_the_header_is_named(data, problem):
    assert problem in read(data, "safetensors").problem


def test_scalars_of_a_document_are_flattened_with_the_top_first():
    document = {"labels": {"run_id": "r1", "deep": {"x": None}}, "step": 20, "list": [True, 1.5]}
    content = read(json.dumps(document).encode(), "json")
    assert list(content.fields.items()) == [
        ("step", 20),
        ("labels.run_id", "r1"),
        ("list.0", True),
        ("list.1", 1.5),
        ("labels.deep.x", None),
    ]
    assert content.step == 20


def test_the_order_of_keys_and_blanks_do_not_change_the_digest():
    one, other = read(b'{"a": 1, "b": 2}', "json"), read(b'{ "b":2,"a":1 }', "json")
    assert one.digest == other.digest != read(b'{"a": 1, "b": 3}', "json").digest


def test_fields_are_few_short_and_fit_into_a_history():
    document = {"huge": 1 << 200, "nan": float("nan"), "broken": "\ud800", "long": "x" * 10_000}
    document.update({f"k{number}": number for number in range(500)})
    fields = read(json.dumps(document).encode(), "json").fields
    assert len(fields) == 64
    assert len(fields["long"]) == 512
    assert fields["nan"] == "nan"
    assert fields["broken"] == "?"
    assert msgspec.json.decode(msgspec.json.encode(fields)) == fields


def test_a_step_that_is_true_or_negative_is_no_step():
    assert read(b'{"step": true}', "json").step is None
    assert read(b'{"step": -1, "global_step": 5}', "json").step == 5


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "empty: no JSON"),
        (b'{"step": 4', "truncated: "),
        (b'{"step": "4', "truncated: "),
        (b"hello", "not JSON: "),
        (b"\xff\xfe\x00", "not JSON: "),
        (b"[" * 100_000, "not JSON: "),
    ],
)
def test_a_bad_document_says_why(data, problem):
    assert read(data, "json").problem.startswith(problem)


def as_torch(root, storages, *, serialization=b"1"):
    return as_zip(
        [
            (f"{root}/data.pkl", pickle.dumps(_Trap())),
            (f"{root}/.data/serialization_id", serialization),
            (f"{root}/version", b"3\n"),
            *((f"{root}/data/{number}", data) for number, data in enumerate(storages)),
        ]
    )


def test_a_torch_file_is_digested_without_unpickling_and_whatever_it_is_called():
    one = read(as_torch("state", [b"12", b"34"]), "torch")
    other = read(as_torch("copy", [b"12", b"34"], serialization=b"2"), "torch")
    changed = read(as_torch("state", [b"12", b"35"]), "torch")
    assert one.problem is None
    assert one.digest == other.digest != changed.digest
    assert one.digests == {}


def test_an_old_torch_file_has_the_digest_of_its_bytes():
    data = pickle.dumps([1, 2])
    assert read(data, "torch").digest == hashlib.sha256(data).hexdigest()


def test_a_torn_torch_file_is_truncated_and_an_npz_is_none():
    assert read(as_torch("s", [b"12"])[:-30], "torch").problem.startswith("truncated")
    assert read(as_npz(STATE), "torch").problem == "not a torch file: it has no data.pkl"


def test_bytes_have_the_digest_of_the_bytes():
    assert read(b"anything", "bytes").digest == hashlib.sha256(b"anything").hexdigest()


_SEEDS = {
    "npz": as_npz({"model/w": numpy.arange(9.0)}),
    "safetensors": as_safetensors({"model/w": ("F32", [2], b"12345678")}),
    "json": b'{"step": 20, "labels": {"run_id": "r"}}',
    "torch": as_torch("s", [b"1234"]),
}


@pytest.mark.parametrize("name", sorted(_SEEDS))
@given(data=st.data())
def test_damaged_bytes_give_a_content_or_a_problem_and_nothing_else(name, data):
    damaged = bytearray(_SEEDS[name])
    places = st.integers(0, len(damaged) - 1)
    for place, value in data.draw(st.dictionaries(places, st.integers(0, 255), max_size=8)).items():
        damaged[place] = value
    content = read(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]), name)
    assert (content.problem is None) == (content.digest is not None)
    if content.problem is not None:
        assert len(content.problem) <= 512


def test_the_limit_for_arrays_holds_for_safetensors_too(monkeypatch):
    monkeypatch.setattr("chaosml.artifacts.safetensors.ARRAY_BYTES_MAX", 4)
    data = as_safetensors({"model/w": ("F32", [2], b"12345678")})
    assert read(data, "safetensors").problem == "too large: 8 bytes of tensors, limit 4"
    assert arrays_module.ARRAY_BYTES_MAX == 2 << 30
